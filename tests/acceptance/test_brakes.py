"""Brakes on deletions and on mass changes; what was not meant stops, whole."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.test_plan_file import forged, saved

pytestmark = pytest.mark.once


@pytest.fixture
def ten(fleet: Fleet) -> Fleet:
    for number in range(10):
        fleet.organization(f"org-{number}", "protect: false")
    fleet.apply()
    return fleet


def change(fleet: Fleet, count: int, body: str = "featureFlags: { A: true }") -> None:
    for number in range(count):
        fleet.organization(f"org-{number}", f"protect: false\n{body}")


def rules(fleet: Fleet) -> list[str]:
    return [b["rule"] for b in fleet.plan()["blockers"]]


def test_a_share_of_the_fleet(ten: Fleet) -> None:
    """maxChangedPercent is 50 by default: five of ten go, six do not."""
    change(ten, 6)
    assert rules(ten) == ["max-changes"]
    assert "6 of 10" in ten.apply(code=3).err
    assert ten.rows("SELECT count(*) FROM organizations WHERE feature_flags <> '{}'") == [(0,)]
    ten.apply("--target", "organization/org-0")  # part by part
    ten.apply()
    ten.converged()


def test_the_share_is_configured(ten: Fleet) -> None:
    ten.settings("guard: { maxChangedPercent: 20 }")
    change(ten, 3)
    assert rules(ten) == ["max-changes"]
    ten.settings("guard: { maxChangedPercent: 100 }")
    change(ten, 10)
    assert rules(ten) == []
    ten.apply()


def test_an_absolute_number(ten: Fleet) -> None:
    ten.settings("guard: { maxChanged: 2, maxChangedPercent: 100 }")
    change(ten, 3)
    assert rules(ten) == ["max-changes"]
    ten.apply(code=3)
    ten.apply("--exclude", "organization/org-1")
    ten.apply()


def test_creations_are_not_changes(ten: Fleet) -> None:
    for number in range(10, 25):
        ten.organization(f"org-{number}")
    assert rules(ten) == []
    ten.apply()


def test_a_small_fleet_has_no_share(fleet: Fleet) -> None:
    for number in range(3):
        fleet.organization(f"org-{number}")
    fleet.apply()
    change(fleet, 3)
    fleet.apply()


def test_deletions_take_their_exact_number(ten: Fleet) -> None:
    change(ten, 3, "state: deleted")
    assert rules(ten) == ["max-deletes"]
    for arguments in ([], ["--allow-deletes", "2"], ["--allow-deletes", "4"], ["--allow-deletes", "0"]):
        assert "3" in ten.apply(*arguments, code=3).err
    assert ten.rows("SELECT count(*) FROM organizations WHERE state = 'deleted'") == [(0,)]
    ten.apply("--allow-deletes", "3")
    ten.converged()


def test_max_deletes_of_the_fleet_file(ten: Fleet) -> None:
    ten.settings("guard: { maxDeletes: 2 }")
    change(ten, 3, "state: deleted")
    ten.apply(code=3)
    ten.organization("org-2", "protect: false")
    ten.apply()
    assert ten.rows("SELECT count(*) FROM organizations WHERE state = 'deleted'") == [(2,)]


def test_deletions_are_mass_changes_too(ten: Fleet) -> None:
    change(ten, 6, "state: deleted")
    assert rules(ten) == ["max-changes", "max-deletes"]
    ten.apply("--allow-deletes", "6", code=3)
    assert ten.rows("SELECT count(*) FROM organizations WHERE state = 'deleted'") == [(0,)]


def test_a_saved_plan_is_braked_as_well(ten: Fleet) -> None:
    change(ten, 2, "state: deleted")
    ten.run("plan", "--out", "plan.json", code=3)
    ten.run("apply", "plan.json", "--auto-approve", code=3)
    ten.run("apply", "plan.json", "--auto-approve", "--allow-deletes", "1", code=3)
    ten.run("apply", "plan.json", "--auto-approve", "--allow-deletes", "2")
    ten.converged()


def test_within_one_organization(fleet: Fleet) -> None:
    """Twenty members of one of many organizations are no share of the fleet, and all of what that one has."""
    users = [f"u{number}@x.example" for number in range(20)]

    def declare(role: str, count: int) -> None:
        listed = [f"{{ user: {user}, role: {role if n < count else 'CLIENT_EDITOR'} }}" for n, user in enumerate(users)]
        fleet.organization("acme", f"members: [ {', '.join(listed)} ]")

    for user in users:
        fleet.document("User", user, "{ displayName: U, role: CLIENT_EDITOR }")
    declare("CLIENT_EDITOR", 20)
    fleet.organization("other")
    fleet.apply()
    declare("AGENCY_ADMIN", 11)
    (blocker,) = fleet.plan()["blockers"]
    assert (blocker["address"], blocker["rule"]) == ("organization/acme", "max-changes")
    assert "11 of its 20 objects would change, 50 % allowed" in blocker["message"]
    fleet.apply(code=3)
    path, _ = saved(fleet)
    forged(path, blockers=())
    assert "11 of its 20" in fleet.run("apply", str(path), code=3).err  # an unsigned file is asked again
    fleet.settings("guard: { organization: { maxChanged: 5 } }")
    assert "5 allowed (guard.organization.maxChanged)" in fleet.plan()["blockers"][0]["message"]
    fleet.settings("guard: { organization: { maxChangedPercent: 60 } }")
    fleet.apply()
    fleet.converged()
