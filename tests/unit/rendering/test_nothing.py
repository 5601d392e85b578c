"""An empty plan is an all-clear only where nothing is known to be otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from unit.rendering.builders import a_deferral, a_plan

from tenantplan.model.plan import Finding
from tenantplan.rendering import html, markdown, text
from tenantplan.rendering.command import Call

CLEAR = "The live fleet matches the YAML"


def finding(rule: str) -> tuple[Finding, ...]:
    return (Finding("organization/old", rule, "is otherwise"),)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ({"orphans": finding("orphan")}, "1 orphan above"),
        ({"orphans": finding("orphan") * 2}, "2 orphans above"),
        ({"notes": finding("unmanaged")}, "1 declared object left alone above"),
        ({"notes": finding("deleted-by-the-application")}, "1 declared object left alone above"),
        ({"notes": finding("stays-disabled")}, "1 declared object left alone above"),
        ({"notes": finding("changed")}, "1 database that differs from its stamp above"),
        ({"unreachable": finding("unreachable")}, "the rest was not planned"),
        ({"deferred": (a_deferral("organization/a"),)}, "1 operation deferred"),
        ({"blockers": finding("rights")}, "besides what is blocked"),
    ],
)
def test_what_is_otherwise_is_no_all_clear(plan: dict[str, Any], why: str) -> None:
    made = a_plan(**plan)
    for shown in (text.plan(made), text.plan(made, call=Call(deep=True)), markdown.plan(made), html.plan(made)):
        assert why in shown
        assert CLEAR not in shown and "No changes." not in shown and "<strong>No changes.<" not in shown


def test_a_note_that_something_is_due_takes_nothing_from_it() -> None:
    made = a_plan(notes=finding("rotation-due"))
    assert all(CLEAR in shown for shown in (text.plan(made), markdown.plan(made), html.plan(made)))
