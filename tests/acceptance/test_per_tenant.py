"""`plan --per-tenant`: who has changed since the plan was made is left untouched, and the others are applied."""

from __future__ import annotations

import json

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from acceptance.test_plan_file import dump

pytestmark = pytest.mark.once
DEDICATED = "protect: false\ndatabase: { mode: dedicated"


@pytest.fixture
def three(fleet: Fleet) -> Fleet:
    """Two organizations with databases of their own and one in shared tables, all to be changed, and a user."""
    fleet.settings("guard: { maxChangedPercent: 100 }")
    declare(fleet, 5)
    fleet.document("User", "anna@x.example", "{ displayName: Anna, role: CLIENT_EDITOR }")
    fleet.apply()
    declare(fleet, 7)
    return fleet


def declare(fleet: Fleet, number: int) -> None:
    for name in ("a", "b"):
        fleet.organization(name, f"{DEDICATED}, connectionLimit: {number} }}")
    fleet.organization("s", f"contact: {{ phone: '{number}' }}")


def planned(fleet: Fleet, *more: str) -> None:
    shown = fleet.run("plan", "--per-tenant", "--out", "plan.json", *more).out
    assert "   per tenant" in shown.splitlines()[0]


def limits(fleet: Fleet) -> dict[str, object]:
    return dict(fleet.rows("SELECT slug, coalesce(phone, connection_limit::text) FROM organizations"))


def by_hand(fleet: Fleet, *names: str) -> None:
    fleet.execute(f"UPDATE organizations SET display_name = 'by hand' WHERE slug IN {(*names, '')}")


def test_when_nothing_is_stale_all_is_applied(three: Fleet) -> None:
    planned(three)
    assert json.loads((three.root / "plan.json").read_text())["per_tenant"] is True
    three.run("apply", "plan.json")
    assert limits(three) == {"a": "7", "b": "7", "s": "7"}
    three.converged()


def test_who_is_stale_is_left_and_named_and_the_rest_is_applied(three: Fleet) -> None:
    planned(three)
    by_hand(three, "a")
    applied = three.run("apply", "plan.json", code=5)
    assert "organization/a" in applied.out and "changed after the plan was made" in applied.out
    assert "organization/b" not in applied.out
    assert limits(three) == {"a": "5", "b": "7", "s": "7"}
    database = "SELECT datconnlimit FROM pg_database WHERE datname = %s"
    (a,), (b,) = (three.rows(database, three.database(name))[0] for name in "ab")
    assert a < b
    audited = (
        "SELECT address, action, organization, result FROM tenantplan.audit_log WHERE result IN ('stale', 'failed')"
    )
    assert three.rows(audited) == [("organization/a", "update", "organization/a", "stale")]
    three.run("audit", "verify")
    before = dump(three.server)
    again = three.run("apply", "plan.json", code=4)  # what is left of it is stale
    assert "organization/a" in again.err and dump(three.server) == before
    three.apply()
    three.converged()


def test_the_report_counts_them(three: Fleet) -> None:
    planned(three)
    by_hand(three, "s")
    report = three.run("apply", "plan.json", "--json", code=5).json
    assert report["counts"] == {"done": len(report["operations"]) - 1, "failed": 0, "stale": 1, "skipped": 0}
    assert [o["address"] for o in report["operations"] if o["status"] == "stale"] == ["organization/s"]


def test_when_all_are_stale_nothing_is_written(three: Fleet) -> None:
    planned(three)
    by_hand(three, "a", "b", "s")
    before = dump(three.server)
    refused = three.run("apply", "plan.json", code=4)
    assert all(f"organization/{name}" in refused.err for name in "abs")
    assert dump(three.server) == before


def test_without_the_flag_it_is_all_or_nothing(three: Fleet) -> None:
    three.run("plan", "--out", "plan.json")
    assert "per_tenant" not in json.loads((three.root / "plan.json").read_text())
    by_hand(three, "a")
    before = dump(three.server)
    three.run("apply", "plan.json", code=4)
    assert dump(three.server) == before


def test_what_the_fleet_shares_is_all_or_nothing(three: Fleet) -> None:
    three.document("User", "anna@x.example", "{ displayName: Anna B, role: CLIENT_EDITOR }")
    planned(three)
    three.execute("UPDATE users SET display_name = 'by hand'")
    before = dump(three.server)
    assert "user/anna@x.example" in three.run("apply", "plan.json", code=4).err
    assert dump(three.server) == before


def test_a_member_belongs_to_its_organization(three: Fleet) -> None:
    member = "members: [ {{ user: anna@x.example, role: {} }} ]"
    three.organization("s", member.format("CLIENT_EDITOR"))
    three.apply()
    declare(three, 8)
    three.organization("s", "contact: { phone: '8' }\n" + member.format("AGENCY_ADMIN"))
    planned(three)
    three.execute("UPDATE organization_members SET role = 'AGENCY_DEVELOPER'")
    applied = three.run("apply", "plan.json", code=5)
    assert "organization/s/member/anna@x.example" in applied.out
    assert limits(three) == {"a": "8", "b": "8", "s": "-1"}


@pytest.mark.parametrize(
    ("change", "address"),
    [
        ("ALTER DATABASE {} CONNECTION LIMIT 3", "database/primary/{}"),
        ("ALTER ROLE {}_app CONNECTION LIMIT 3", "role/primary/{}_app"),
    ],
)
def test_what_is_about_a_database_belongs_to_its_organization(three: Fleet, change: str, address: str) -> None:
    tree = tenant_tree(three)
    three.settings("guard: { maxChangedPercent: 100 }", migrations="migrations/tenant")
    tree.add("a0000001", 'op.add_column("donors", sa.Column("note", sa.Text()))')
    planned(three)
    three.execute(change.format(three.database("a")), database="postgres")
    applied = three.run("apply", "plan.json", code=5)
    assert address.format(three.database("a")) in applied.out
    asked = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) = ('donors', 'note')"
    counts = [three.rows(asked, database=database) for database in (three.database("a"), three.database("b"))]
    assert counts == [[(0,)], [(1,)]]
    assert limits(three) == {"a": "5", "b": "7", "s": "7"}


def test_a_signed_plan_knows_it_too(three: Fleet) -> None:
    private, public = three.run("credentials", "key", "--signing").out.split()
    three.env |= {"PLAN_KEY": private, "PLAN_CHECK": public}
    three.settings(
        "guard: { maxChangedPercent: 100 }\nplans: { signingKey: { env: PLAN_KEY }, verifyKeys: [ { env: PLAN_CHECK } ] }"
    )
    planned(three)
    by_hand(three, "b")
    assert "organization/b" in three.run("apply", "plan.json", code=5).out
    assert limits(three) == {"a": "7", "b": "5", "s": "7"}


def test_an_interrupted_apply_whose_work_was_changed_leaves_that_one_alone(three: Fleet) -> None:
    planned(three)
    by_hand(three, "a")
    three.run("apply", "plan.json", code=5)
    three.execute("UPDATE organizations SET display_name = 'A' WHERE slug = 'a'")
    by_hand(three, "b")  # which was done
    three.run("apply", "plan.json", code=0)
    assert limits(three)["a"] == "7"
    assert three.rows("SELECT display_name FROM organizations WHERE slug = 'b'") == [("by hand",)]


def test_it_is_for_a_file(three: Fleet) -> None:
    assert "--out" in three.run("plan", "--per-tenant", code=1).err
    assert three.run("plan", "--per-tenant", "--json").json["per_tenant"] is True


@pytest.mark.parametrize("both", [True, False], ids=["the whole canary", "half of it"])
def test_without_its_canary_a_change_goes_no_further(fleet: Fleet, both: bool) -> None:
    fleet.settings("guard: { maxChangedPercent: 100 }\nrollout: { canary: { tier: internal } }")
    tree = tenant_tree(fleet)
    fleet.document("Tier", "internal", "displayName: Internal")
    for name in ("one", "two"):
        fleet.organization(name, f"{DEDICATED} }}\ntier: internal")
    fleet.organization("later", f"{DEDICATED} }}")
    fleet.apply()
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    for name in ("one", "two"):
        fleet.organization(name, f"{DEDICATED} }}\ntier: internal\ncontact: {{ phone: '1' }}")
    planned(fleet)
    by_hand(fleet, "one", *["two"] if both else [])
    applied = fleet.run("apply", "plan.json", code=5)
    asked = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) = ('donors', 'nickname')"
    counts = [fleet.rows(asked, database=fleet.database(name))[0][0] for name in ("one", "two", "later")]
    assert counts == ([0, 0, 0] if both else [0, 1, 1])
    assert ("waits for the first wave" in applied.out) is both


def test_a_migration_that_its_canary_did_not_try_goes_no_further(fleet: Fleet) -> None:
    """Something else of the first wave is left, which says nothing of the migration."""
    fleet.settings("guard: { maxChangedPercent: 100 }\nrollout: { canary: { tier: internal } }")
    tree = tenant_tree(fleet)
    fleet.document("Tier", "internal", "displayName: Internal")
    fleet.organization("one", f"{DEDICATED} }}\ntier: internal")
    fleet.organization("two", "tier: internal")
    fleet.organization("later", f"{DEDICATED} }}")
    fleet.apply()
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    fleet.organization("one", f"{DEDICATED} }}\ntier: internal\ncontact: {{ phone: '1' }}")
    fleet.organization("two", "tier: internal\ncontact: { phone: '1' }")
    planned(fleet)
    by_hand(fleet, "one")
    applied = fleet.run("apply", "plan.json", code=5)
    asked = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) = ('donors', 'nickname')"
    assert [fleet.rows(asked, database=fleet.database(name)) for name in ("one", "later")] == [[(0,)], [(0,)]]
    assert limits(fleet)["two"] == "1" and "waits for the first wave" in applied.out
    fleet.apply()
    fleet.converged()


def test_what_is_shared_and_needs_somebody_stale_waits_and_is_no_organization_of_its_own(fleet: Fleet) -> None:
    fleet.organization("old")
    fleet.apply()
    for name in ("new", "other"):
        fleet.organization(name)
    fleet.document("User", "eve@x.example", "{ displayName: Eve, role: CLIENT_EDITOR, organization: new }")
    planned(fleet)
    fleet.execute("INSERT INTO organizations (slug, display_name) VALUES ('new', 'by hand')")
    report = fleet.run("apply", "plan.json", "--json", code=5).json
    assert {o["address"]: o["status"] for o in report["operations"]} == {
        "organization/new": "stale",
        "organization/other": "done",
        "user/eve@x.example": "skipped",
    }
    audited = "SELECT address, result FROM tenantplan.audit_log WHERE result IN ('stale', 'failed', 'skipped')"
    assert fleet.rows(audited) == [("organization/new", "stale")]
    assert fleet.rows("SELECT count(*) FROM users") == [(0,)]
