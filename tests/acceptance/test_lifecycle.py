"""Orphans, deletions, tombstones, and the way back from each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from acceptance.harness import Fleet

DEDICATED = "database: { mode: dedicated }\nprotect: false\n"
DELETED = DEDICATED + "state: deleted\n"


def tombstones(fleet: Fleet) -> list[str]:
    return [name for name in fleet.databases() if name.startswith("tp_deleted_")]


def roles(fleet: Fleet, organization: str) -> dict[str, bool]:
    found = fleet.rows(
        "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname LIKE %s", fleet.database(organization) + "\\_%"
    )
    return dict(found)


def orphans(fleet: Fleet) -> set[str]:
    return {o["address"] for o in fleet.plan()["orphans"]}


def deleted(fleet: Fleet, name: str = "msf") -> None:
    """An organization with a row in its database, deleted; a tier stays, since an empty manifest is refused."""
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.organization(name, DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database(name))
    fleet.organization(name, DELETED)
    fleet.apply("--allow-deletes", "1")


NESTED = """
modules: {{ donors: {{ enabled: true }}, forms: {forms} }}
members:
  - {{ user: anna@x.example, role: AGENCY_ADMIN }}
  - {{ user: jean@x.example, role: CLIENT_EDITOR{member} }}
"""
USER = "{{ displayName: U, role: CLIENT_EDITOR{} }}"
TENANT = """
organization: msf
displayName: Paris
licenses:
  - {{ name: main }}
  - {{ name: trial{} }}
"""


def a_full_fleet(fleet: Fleet, state: str = "") -> None:
    fleet.organization("msf", NESTED.format(forms="{ enabled: true" + state + " }", member=state))
    fleet.document("User", "anna@x.example", USER.format(""))
    fleet.document("User", "jean@x.example", USER.format(""))
    fleet.document("User", "left@x.example", USER.format(state))
    fleet.document("Tenant", "paris", TENANT.format(state))


def counts(fleet: Fleet) -> dict[str, int]:
    tables = ("organizations", "organization_modules", "organization_members", "users", "tenants", "licenses")
    return {table: fleet.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def test_absence_deletes_nothing(fleet: Fleet) -> None:
    """Documents and nested items that are gone from the YAML are orphans, and stay."""
    a_full_fleet(fleet)
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.apply()
    before = counts(fleet)
    fleet.organization("msf", "members: [ { user: anna@x.example, role: AGENCY_ADMIN } ]")
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: Paris }")
    fleet.remove("User", "left@x.example")
    fleet.remove("Tier", "pro")
    assert orphans(fleet) == {
        "organization/msf/member/jean@x.example",
        "organization/msf/module/donors",
        "organization/msf/module/forms",
        "tenant/paris/license/main",
        "tenant/paris/license/trial",
        "tier/pro",
        "user/left@x.example",
    }
    fleet.converged()
    assert counts(fleet) == before
    for kind, name in (("Organization", "msf"), ("Tenant", "paris")):
        fleet.remove(kind, name)
    fleet.apply()
    assert {"organization/msf", "tenant/paris"} <= orphans(fleet)
    assert counts(fleet) == before


def test_nested_deletions_are_counted_exactly(fleet: Fleet) -> None:
    """`state: deleted` removes users, members, modules and licences, with --allow-deletes of the exact number."""
    a_full_fleet(fleet)
    fleet.apply()
    a_full_fleet(fleet, ", state: deleted")
    assert fleet.plan()["summary"]["delete"] == 4
    for arguments in ([], ["--allow-deletes", "3"], ["--allow-deletes", "5"]):
        fleet.apply(*arguments, code=3)
    assert counts(fleet)["users"] == 3
    fleet.apply("--allow-deletes", "4")
    assert counts(fleet) == {
        "organizations": 1,
        "organization_modules": 1,
        "organization_members": 1,
        "users": 2,
        "tenants": 1,
        "licenses": 1,
    }
    fleet.converged()
    assert orphans(fleet) == set()


def test_deletions_that_were_not_meant_are_refused_whole(fleet: Fleet) -> None:
    """--allow-deletes where the plan deletes nothing is refused as well."""
    fleet.organization("msf")
    fleet.apply("--allow-deletes", "1", code=3)
    fleet.apply("--allow-deletes", "0")


def test_protection_holds_for_tenants_too(fleet: Fleet) -> None:
    """Protection must have been lifted in an earlier apply."""
    fleet.organization("msf")
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P }")
    fleet.apply()
    for body in ("protect: true", "protect: false"):
        fleet.document("Tenant", "paris", f"{{ organization: msf, displayName: P, state: deleted, {body} }}")
        assert [b["rule"] for b in fleet.plan()["blockers"] if b["address"] == "tenant/paris"] == ["protected"] * (
            2 if "true" in body else 1
        )
        fleet.apply("--allow-deletes", "1", code=3)
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P, protect: false }")
    fleet.apply()
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P, state: deleted, protect: false }")
    fleet.apply("--allow-deletes", "1")
    assert fleet.rows("SELECT active, deleted_at IS NULL FROM tenants") == [(False, False)]
    fleet.converged()


def test_a_deleted_organization_is_a_tombstone(fleet: Fleet) -> None:
    """The database is renamed and closed with its data, the logins are closed, the row is kept."""
    deleted(fleet)
    assert tombstones(fleet) and fleet.database("msf") not in fleet.databases()
    closed = "SELECT datallowconn FROM pg_database WHERE datname = %s"
    assert fleet.rows(closed, tombstones(fleet)[0]) == [(False,)]
    assert set(roles(fleet, "msf").values()) == {False}
    assert fleet.rows("SELECT state::text, deleted_at IS NULL FROM organizations") == [("deleted", False)]
    fleet.converged()
    fleet.remove("Organization", "msf")  # the tombstone does not need its file
    fleet.converged()


@pytest.mark.parametrize("file_kept", [True, False])
def test_declaring_it_again_brings_it_back(fleet: Fleet, file_kept: bool) -> None:
    """No name is freed before the drop: restored by its id, the same name is the same organization, with its data."""
    deleted(fleet)
    before = fleet.rows("SELECT id FROM organizations")
    if not file_kept:
        fleet.remove("Organization", "msf")
        fleet.apply()
    fleet.organization("msf", DEDICATED)
    found = fleet.restorable()
    fleet.apply(code=3)
    assert len(tombstones(fleet)) == 1
    fleet.organization("msf", DEDICATED, restore=found)
    assert f"restores it with its data, deleted on {datetime.now(UTC):%Y-%m-%d}" in fleet.run("plan").out
    fleet.apply()
    fleet.converged()
    assert tombstones(fleet) == []
    assert fleet.rows("SELECT count(*) FROM tenantplan.audit_log WHERE action = 'restore'") > [(0,)]
    assert fleet.rows("SELECT id FROM organizations") == before
    assert fleet.rows("SELECT email FROM donors", database=fleet.database("msf")) == [("d@x.example",)]
    assert fleet.rows("SELECT state::text, deleted_at FROM organizations") == [("active", None)]
    assert roles(fleet, "msf")[fleet.database("msf") + "_app"] is True


def test_a_tombstone_is_restored_by_hand(fleet: Fleet) -> None:
    """ALTER DATABASE … RENAME and ALLOW_CONNECTIONS are enough."""
    deleted(fleet)
    (tombstone,) = tombstones(fleet)
    fleet.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS true", database="postgres")
    fleet.execute(f"ALTER DATABASE {tombstone} RENAME TO {fleet.database('msf')}", database="postgres")
    assert fleet.rows("SELECT email FROM donors", database=fleet.database("msf")) == [("d@x.example",)]
    fleet.organization("msf", DEDICATED)
    fleet.organization("msf", DEDICATED, restore=fleet.restorable())
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT email FROM donors", database=fleet.database("msf")) == [("d@x.example",)]


def test_a_tombstone_is_purged_after_its_grace_period(fleet: Fleet) -> None:
    """A later apply drops database, roles and row, and counts as a deletion."""
    deleted(fleet)
    assert fleet.operations() == []
    fleet.settings("guard: { graceDays: 0 }")
    assert fleet.plan()["summary"]["delete"] == 1
    fleet.apply(code=3)
    assert tombstones(fleet)
    fleet.apply("--allow-deletes", "1")
    assert fleet.databases() == [fleet.main_database]
    assert roles(fleet, "msf") == {}
    assert fleet.rows("SELECT count(*) FROM organizations") == [(0,)]
    fleet.converged()
    fleet.organization("msf", DEDICATED)  # now the name is free
    fleet.apply()
    assert fleet.rows("SELECT count(*) FROM donors", database=fleet.database("msf")) == [(0,)]
    fleet.converged()


def test_a_purge_takes_what_was_in_it(fleet: Fleet) -> None:
    """Members, modules, tenants and their licences and databases go with their organization."""
    a_full_fleet(fleet)
    fleet.document(
        "Tenant", "paris", "{ organization: msf, displayName: P, protect: false, database: { mode: dedicated } }"
    )
    fleet.organization("msf", NESTED.format(forms="{}", member="") + DEDICATED)
    fleet.apply()
    fleet.organization("msf", DELETED)
    gone = "{ organization: msf, displayName: P, protect: false, state: deleted, database: { mode: dedicated } }"
    fleet.document("Tenant", "paris", gone)
    fleet.apply("--allow-deletes", "2")
    fleet.converged()
    assert len(tombstones(fleet)) == 2
    fleet.settings("guard: { graceDays: 0 }")
    deletes = fleet.plan()["summary"]["delete"]
    fleet.apply("--allow-deletes", str(deletes))
    assert fleet.databases() == [fleet.main_database]
    left = counts(fleet)
    assert left.pop("users") == 3 and set(left.values()) == {0}
    fleet.converged()


def test_two_lives_of_one_name(fleet: Fleet) -> None:
    """Deleted, restored, deleted again."""
    deleted(fleet)
    fleet.organization("msf", DEDICATED)
    restored = fleet.restorable()
    fleet.organization("msf", DEDICATED, restore=restored)
    fleet.apply()
    fleet.organization("msf", DELETED, restore=restored)
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    assert len(tombstones(fleet)) == 1
