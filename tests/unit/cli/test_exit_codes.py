"""What a plan and a report end with."""

from __future__ import annotations

from typing import Any

import pytest
from unit.rendering.builders import a_deferral, a_plan, an_operation

from tenantplan.cli.apply import _exit_code
from tenantplan.cli.plan import exit_code
from tenantplan.errors import TenantplanError
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.report import Outcome, Report

pytestmark = pytest.mark.once
FINDING = Finding("organization/a", "protected", "is protected")
SOMETHING = an_operation("organization/a")


@pytest.mark.parametrize(
    ("plan", "plain", "detailed"),
    [
        (a_plan(), 0, 0),
        (a_plan(notes=(FINDING,), orphans=(FINDING,)), 0, 0),
        (a_plan(SOMETHING), 0, 2),
        (a_plan(unfinished="run-7"), 0, 2),
        (a_plan(unreachable=(FINDING,)), 0, 2),
        (a_plan(deferred=(a_deferral("organization/a"),)), 0, 2),
        (a_plan(blockers=(FINDING,)), 3, 3),
        (a_plan(SOMETHING, blockers=(FINDING,), unreachable=(FINDING,)), 3, 3),
    ],
)
def test_of_a_plan(plan: Plan, plain: int, detailed: int) -> None:
    assert exit_code(plan, detailed=False) == plain
    assert exit_code(plan, detailed=True) == detailed


def report(*statuses: str, **more: Any) -> Report:
    return Report("r", "d", tuple(Outcome(SOMETHING, status) for status in statuses), 1.0, **more)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(), 0),
        (report("done", "recovered"), 0),
        (report("done", "failed"), 5),
        (report("done", "skipped"), 5),
        (report("failed", "stale"), 5),
        (report("done", "stale"), 4),
        (report("done", stopped="a health check failed"), 5),
        (report("stale", stopped="a health check failed"), 4),
    ],
)
def test_of_a_report(made: Report, code: int) -> None:
    assert _exit_code(a_plan(SOMETHING), made) == code


@pytest.mark.parametrize(
    ("made", "code"),
    [(report("done", "stale"), 5), (report("recovered", "stale"), 5), (report("stale"), 4), (report("done"), 0)],
)
def test_of_a_plan_that_was_made_per_tenant(made: Report, code: int) -> None:
    assert _exit_code(a_plan(SOMETHING, per_tenant=True), made) == code


def test_what_could_not_be_planned_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(a_plan(SOMETHING, unreachable=(FINDING,)), report("done")) == 5
    assert "could not be reached" in capsys.readouterr().err


def test_what_did_not_come_true_is_an_error() -> None:
    with pytest.raises(TenantplanError, match="2 objects differ from the plan"):
        _exit_code(a_plan(SOMETHING), report("done", remaining=2))
