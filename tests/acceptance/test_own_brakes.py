"""A document does not lift the restriction that holds for it: live labels, tier and mode count as well as new ones."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from acceptance.test_plan_file import forged, saved
from acceptance.test_windows import CLOSED, HOUR, OPEN, deferred, frozen, rules, slugs, window

pytestmark = pytest.mark.once


@pytest.fixture
def two(fleet: Fleet) -> Fleet:
    for tier in ("pro", "enterprise"):
        fleet.document("Tier", tier, f"displayName: {tier}")
    fleet.organization("a", "protect: false\ntier: enterprise", labels={"zone": "slow"})
    fleet.organization("b", "protect: false\ntier: pro")
    fleet.apply()
    return fleet


ENTERPRISE = window(CLOSED, "{ tier: enterprise }"), window(OPEN)
LABELLED = window(CLOSED, "{ zone: slow }"), window(OPEN)


@pytest.mark.parametrize(
    ("windows", "body", "labels"),
    [
        (ENTERPRISE, "tier: pro", {"zone": "slow"}),
        (ENTERPRISE, "tier: enterprise", {"zone": "slow", "tier": "pro"}),
        (LABELLED, "tier: enterprise", {}),
        (LABELLED, "tier: enterprise", {"zone": "fast"}),
        ((window(CLOSED), window(OPEN, "{ zone: fast }")), "tier: enterprise", {"zone": "fast"}),
    ],
)
def test_a_label_taken_away_in_the_same_plan_opens_no_window(
    two: Fleet, windows: tuple[str, ...], body: str, labels: dict[str, str]
) -> None:
    rules(two, *windows)
    two.organization("a", f"protect: false\nstate: suspended\n{body}", labels=labels)
    assert deferred(two) == {"organization/a": "change window"}
    two.apply()
    assert slugs(two, "state = 'suspended'") == []


def test_a_label_given_in_the_same_plan_is_no_exception_from_a_freeze(two: Fleet) -> None:
    rules(two, freeze=frozen(-HOUR, HOUR, "{ zone: urgent }"))
    two.organization("a", "protect: false\ntier: enterprise\nfeatureFlags: { A: true }", labels={"zone": "urgent"})
    assert set(deferred(two)) == {"organization/a"}
    two.apply()
    assert slugs(two, "feature_flags <> '{}'") == []
    two.execute("""UPDATE organizations SET labels = '{"zone": "urgent"}' WHERE slug = 'a'""")
    assert deferred(two) == {}  # it had the label before
    two.organization("a", "protect: false\ntier: enterprise\nfeatureFlags: { A: true }", labels={"zone": "slow"})
    assert set(deferred(two)) == {"organization/a"}  # nor does one lift it that is taken away


def test_what_has_no_row_yet_is_judged_by_its_document(two: Fleet) -> None:
    rules(two, freeze=frozen(-HOUR, HOUR, "{ zone: urgent }"))
    two.organization("new", labels={"zone": "urgent"})
    assert two.operations() == ["create organization/new"]


def test_a_rename_is_judged_by_the_labels_of_the_old_name(two: Fleet) -> None:
    rules(two, *LABELLED)
    (two.root / "tenants" / "organization-a.yaml").unlink()
    two.organization("c", "protect: false\ntier: enterprise", renamedFrom="a")
    assert "organization/c" in deferred(two)


def test_a_file_made_before_the_labels_changed_waits_too(two: Fleet) -> None:
    """A plan is applied by the labels that are live when it is."""
    rules(two, *LABELLED)
    two.organization("b", "protect: false\ntier: pro\nstate: suspended")
    path, plan = saved(two)
    assert [o.address for o in plan.operations] == ["organization/b"]
    two.execute("""UPDATE organizations SET labels = '{"zone": "slow"}' WHERE slug = 'b'""")
    two.run("apply", str(path), code=4)  # its row has changed, and it says so first
    forged(path, labels={})
    two.execute("""UPDATE organizations SET labels = '{}' WHERE slug = 'b'""")
    two.run("apply", str(path))
    assert slugs(two, "state = 'suspended'") == ["b"]


def test_the_canary_does_not_take_its_own_label_away(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.settings("rollout: { canary: { zone: first } }", migrations="migrations/tenant")
    fleet.organization("canary", "database: { mode: dedicated }", labels={"zone": "first"})
    fleet.organization("other", "database: { mode: dedicated }")
    fleet.apply()
    tree.add("a0000001", 'op.execute("ALTER TABLE donors ADD COLUMN nickname text")')
    fleet.organization("canary", "database: { mode: dedicated }")
    waves = {o["address"]: o["wave"] for o in fleet.plan()["operations"]}
    assert waves[f"schema/primary/{fleet.database('canary')}"] == 1
    assert waves[f"schema/primary/{fleet.database('other')}"] == 2


def test_a_repair_waits_for_the_window_of_its_organization(fleet: Fleet) -> None:
    fleet.organization("a", "database: { mode: dedicated }", labels={"zone": "slow"})
    fleet.apply()
    fleet.execute("DROP INDEX donations_campaign_id_idx", database=fleet.database("a"))
    rules(fleet, window(CLOSED, "{ zone: slow }"), window(OPEN))
    fleet.organization("a", "database: { mode: dedicated }")  # the document says something else by now
    plan = fleet.run("drift", "--repair", "--out", "plan.json", "--json", code=None).json
    assert (plan["operations"], [d["why"] for d in plan["deferred"]]) == ([], ["change window"])
    rules(fleet, window(OPEN, "{ zone: slow }"), window(CLOSED))
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    fleet.run("apply", "plan.json")
    assert "donations_campaign_id_idx" in str(
        fleet.rows("SELECT indexname FROM pg_indexes", database=fleet.database("a"))
    )
