"""A rename keeps id, database, roles, members and data."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

BODY = """
database: { mode: dedicated }
modules: { donors: { enabled: true } }
members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]
"""
_OIDS = "SELECT array_agg(oid::text ORDER BY rolname) FROM pg_roles WHERE rolname LIKE %s"


def facts(fleet: Fleet, name: str) -> list[object]:
    """Everything that a rename must keep."""
    return [
        fleet.rows("SELECT id FROM organizations"),
        fleet.rows("SELECT id, organization_id, user_id FROM organization_members"),
        fleet.rows("SELECT id, organization_id FROM organization_modules"),
        fleet.rows("SELECT id, organization_id, license_key FROM tenants"),
        fleet.rows("SELECT oid::text FROM pg_database WHERE datname = %s", fleet.database(name)),
        fleet.rows(_OIDS, fleet.database(name) + "\\_%"),
        fleet.rows("SELECT email FROM donors", database=fleet.database(name)),
    ]


def a_fleet(fleet: Fleet) -> list[object]:
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR, organization: msf }")
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P }")
    fleet.organization("msf", BODY)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("msf"))
    return facts(fleet, "msf")


def rename(fleet: Fleet, old: str, new: str) -> None:
    fleet.remove("Organization", old)
    fleet.organization(new, BODY, renamedFrom=old)
    fleet.document("User", "anna@x.example", f"{{ displayName: A, role: CLIENT_EDITOR, organization: {new} }}")
    fleet.document("Tenant", "paris", f"{{ organization: {new}, displayName: P }}")


def test_a_rename_keeps_everything(fleet: Fleet) -> None:
    before = a_fleet(fleet)
    rename(fleet, "msf", "doctors")
    plan = fleet.plan()
    assert {o["action"] for o in plan["operations"]} == {"update"}
    assert plan["orphans"] == [] and plan["summary"]["delete"] == 0 == plan["summary"]["create"]
    fleet.apply()
    assert facts(fleet, "doctors") == before
    assert fleet.database("msf") not in fleet.databases()
    fleet.converged()


def test_a_rename_left_in_the_file_is_harmless(fleet: Fleet) -> None:
    before = a_fleet(fleet)
    rename(fleet, "msf", "doctors")
    fleet.apply()
    fleet.organization("msf", "displayName: Another")  # the old name may be used again, without the rename
    assert fleet.run("plan", code=1).err  # but not while it is declared to be renamed
    fleet.remove("Organization", "msf")
    fleet.apply()
    assert facts(fleet, "doctors") == before
    fleet.converged()


def test_the_old_name_can_be_taken_again(fleet: Fleet) -> None:
    a_fleet(fleet)
    rename(fleet, "msf", "doctors")
    fleet.apply()
    fleet.organization("doctors", BODY)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.converged()
    assert len({row[0] for row in fleet.rows("SELECT id FROM organizations")}) == 2


def test_a_chain_of_renames(fleet: Fleet) -> None:
    before = a_fleet(fleet)
    for old, new in (("msf", "doctors"), ("doctors", "medics"), ("medics", "msf")):
        rename(fleet, old, new)
        fleet.apply()
        fleet.converged()
        assert facts(fleet, new) == before


def test_a_name_that_is_still_declared_cannot_be_renamed(fleet: Fleet) -> None:
    """a -> b while b -> c in one go is refused with the reason; in two applies it works."""
    fleet.organization("aa")
    fleet.organization("bb", "database: { mode: dedicated }")
    fleet.apply()
    ids = dict(fleet.rows("SELECT slug, id FROM organizations"))
    fleet.remove("Organization", "aa")
    fleet.organization("cc", "database: { mode: dedicated }", renamedFrom="bb")
    fleet.organization("bb", renamedFrom="aa")
    assert "`bb` is still declared" in fleet.run("apply", "--auto-approve", code=1).err
    fleet.remove("Organization", "bb")
    fleet.organization("aa")
    fleet.apply()
    fleet.remove("Organization", "aa")
    fleet.organization("cc", "database: { mode: dedicated }")
    fleet.organization("bb", renamedFrom="aa")
    fleet.apply()
    assert dict(fleet.rows("SELECT slug, id FROM organizations")) == {"bb": ids["aa"], "cc": ids["bb"]}
    fleet.converged()


def test_users_and_tenants_are_renamed(fleet: Fleet) -> None:
    before = a_fleet(fleet)
    fleet.remove("User", "anna@x.example")
    fleet.document(
        "User",
        "anna@y.example",
        "{ displayName: A, role: CLIENT_EDITOR, organization: msf }",
        renamedFrom="anna@x.example",
    )
    fleet.organization("msf", BODY.replace("anna@x", "anna@y"))
    fleet.remove("Tenant", "paris")
    fleet.document("Tenant", "lyon", "{ organization: msf, displayName: P }", renamedFrom="paris")
    assert fleet.plan()["orphans"] == []
    fleet.apply()
    assert facts(fleet, "msf") == before
    assert fleet.rows("SELECT email FROM users") == [("anna@y.example",)]
    assert fleet.rows("SELECT name FROM tenants") == [("lyon",)]
    fleet.converged()


def test_a_tenant_database_is_renamed_with_its_tenant(fleet: Fleet) -> None:
    fleet.organization("msf")
    body = "{ organization: msf, displayName: P, database: { mode: dedicated } }"
    fleet.document("Tenant", "paris", body)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("paris"))
    fleet.remove("Tenant", "paris")
    fleet.document("Tenant", "lyon", body, renamedFrom="paris")
    fleet.apply()
    assert fleet.rows("SELECT email FROM donors", database=fleet.database("lyon")) == [("d@x.example",)]
    fleet.converged()


def test_a_suspended_organization_is_renamed(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }\nstate: suspended")
    fleet.apply()
    fleet.remove("Organization", "msf")
    fleet.organization("doctors", "database: { mode: dedicated }", renamedFrom="msf")
    fleet.apply()
    fleet.converged()
    app = fleet.database("doctors") + "_app"
    assert fleet.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", app) == [(True,)]


def test_a_user_is_renamed_in_an_organization_renamed_before(fleet: Fleet) -> None:
    """The organization's renamedFrom, left in its file, does not hide its members."""
    a_fleet(fleet)
    rename(fleet, "msf", "doctors")
    fleet.apply()
    before = facts(fleet, "doctors")
    fleet.remove("User", "anna@x.example")
    fleet.organization("doctors", BODY.replace("anna@x", "anna@y"), renamedFrom="msf")
    body = "{ displayName: A, role: CLIENT_EDITOR, organization: doctors }"
    fleet.document("User", "anna@y.example", body, renamedFrom="anna@x.example")
    fleet.apply()
    assert facts(fleet, "doctors") == before
    fleet.converged()
