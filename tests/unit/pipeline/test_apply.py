"""What an apply says before it looks at a server: that the plan is blocked, or that there is nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.rendering.builders import a_plan, an_operation

from tenantplan.errors import Blocked
from tenantplan.model.plan import Finding
from tenantplan.pipeline.apply import apply
from tenantplan.settings.settings import Settings, load

pytestmark = pytest.mark.once
FAILED = Finding("server/second", "connection", "it does not answer")


@pytest.fixture
def fleet(tmp_path: Path) -> Settings:
    """One that has no server to connect to."""
    path = tmp_path / "tenantplan.yaml"
    path.write_text(
        "apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: { name: demo }\nspec: { manifests: [tenants] }\n"
    )
    return load(path)


@pytest.mark.parametrize(("attempts", "believed"), [((), True), ((), False), ((FAILED,), False)])
def test_an_empty_plan_connects_to_nothing(fleet: Settings, attempts: tuple[Finding, ...], believed: bool) -> None:
    """Only what tenantplan itself saw fail is audited, not what an unsigned file says."""
    plan = a_plan(attempts=attempts)
    report = apply(fleet, plan, believed=believed)
    assert (report.run, report.outcomes, report.digest) == ("", (), plan.digest)


def test_a_blocked_plan_is_refused(fleet: Settings) -> None:
    plan = a_plan(an_operation("organization/a"), blockers=(Finding("organization/a", "protected", "is protected"),))
    with pytest.raises(Blocked, match="organization/a: is protected") as caught:
        apply(fleet, plan)
    assert caught.value.hint == "nothing was changed"
