"""Each limit of the fleet file brakes what it is for."""

from __future__ import annotations

import pytest
from unit.planning.builders import a_member, an_organization, live, planned, wanted
from unit.rendering.builders import a_plan

from tenantplan.model.finding_rules import CHANGES, DELETES
from tenantplan.model.plan import Plan
from tenantplan.model.resource import State
from tenantplan.planning.brakes import brakes
from tenantplan.settings.sections import GuardSpec

pytestmark = pytest.mark.once
OPEN = {"maxDeletes": 9, "maxChangedPercent": 100}


def fleet(changed: int = 0) -> State:
    """Ten organizations, the first of them changed."""
    made: State = {}
    for number in range(10):
        made |= an_organization(f"o{number}", state="suspended" if number < changed else "active")
    return made


def members(changed: int = 0) -> State:
    """Twenty of one organization, the first of them changed."""
    made: State = {}
    for number in range(20):
        made |= a_member(f"u{number}@x.org", "o0", role="AGENCY_ADMIN" if number < changed else "CLIENT_EDITOR")
    return made


def braked(plan: Plan, before: State, **limits: object) -> list[tuple[str, str]]:
    found = brakes(GuardSpec.model_validate(OPEN | limits), plan, before)
    return [(finding.address, finding.rule) for finding in found]


BEFORE = live(fleet(), members())
WHOLE, WITHIN = [("fleet", CHANGES)], [("organization/o0", CHANGES)]


@pytest.mark.parametrize(
    ("organizations", "of_one", "limits", "found"),
    [
        (3, 0, {"maxChangedPercent": 29}, WHOLE),
        (3, 0, {"maxChangedPercent": 30, "organization": {"maxChangedPercent": 0, "maxChanged": 0}}, []),
        (3, 0, {"maxChanged": 2}, WHOLE),
        (3, 0, {"maxChanged": 3}, []),
        (0, 11, {"organization": {"maxChangedPercent": 54}}, WITHIN),
        (0, 11, {"organization": {"maxChangedPercent": 55}}, []),
        (0, 11, {"organization": {"maxChanged": 10, "maxChangedPercent": 100}}, WITHIN),
        (0, 11, {"organization": {"maxChanged": 11, "maxChangedPercent": 100}}, []),
        (3, 11, {"maxChanged": 2, "organization": {"maxChanged": 10}}, WHOLE + WITHIN),
    ],
)
def test_changes(organizations: int, of_one: int, limits: dict[str, object], found: list[tuple[str, str]]) -> None:
    plan = a_plan(*planned(wanted(fleet(organizations), members(of_one)), BEFORE))
    assert braked(plan, BEFORE, **limits) == found


def test_deletions() -> None:
    gone = frozenset({"organization/o8", "organization/o9"})
    kept = {address: row for address, row in fleet().items() if address not in gone}
    plan = a_plan(*planned(wanted(kept, members(), deleted=gone), BEFORE))
    assert braked(plan, BEFORE, maxDeletes=1) == [("fleet", DELETES)]
    assert braked(plan, BEFORE, maxDeletes=2) == []
