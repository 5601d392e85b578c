"""Shared and dedicated mode, and the way from one to the other."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

TABLES = {"donors", "donor_preferences", "campaigns", "donations", "forms", "analytics_events"}
DEDICATED = "database: { mode: dedicated }"
_TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"


def placement(fleet: Fleet) -> list[tuple[object, ...]]:
    return fleet.rows("SELECT slug, database_mode::text, database_server, database_name FROM organizations ORDER BY 1")


def test_the_whole_fleet_can_be_shared(fleet: Fleet) -> None:
    """dedicatedDatabases: false puts every organization in the shared tables, and true gives each its database."""
    fleet.organization("msf", DEDICATED)
    fleet.settings("dedicatedDatabases: false")
    fleet.apply()
    assert placement(fleet) == [("msf", "shared", None, None)]
    assert fleet.databases() == [fleet.main_database]
    fleet.settings("dedicatedDatabases: true")
    fleet.apply()
    assert placement(fleet) == [("msf", "dedicated", "primary", fleet.database("msf"))]
    fleet.converged()


def test_an_organization_without_a_database_is_shared(fleet: Fleet) -> None:
    """No server, no name, no URL."""
    fleet.organization("acme")
    fleet.apply()
    found = "SELECT database_mode::text, database_server, database_name, database_url FROM organizations"
    assert fleet.rows(found) == [("shared", None, None, None)]
    assert fleet.databases() == [fleet.main_database]


def test_shared_to_dedicated_and_back(fleet: Fleet) -> None:
    """An organization without rows moves, both ways, and its id stays."""
    fleet.organization("acme")
    fleet.apply()
    before = fleet.rows("SELECT id FROM organizations")
    fleet.organization("acme", DEDICATED)
    assert "move organization/acme" in fleet.operations()
    fleet.apply()
    assert placement(fleet) == [("acme", "dedicated", "primary", fleet.database("acme"))]
    fleet.converged()
    fleet.organization("acme")
    fleet.apply()
    assert placement(fleet) == [("acme", "shared", None, None)]
    assert fleet.database("acme") in fleet.databases()  # absence deletes nothing
    assert f"database/primary/{fleet.database('acme')}" in [o["address"] for o in fleet.plan()["orphans"]]
    fleet.converged()
    fleet.organization("acme", DEDICATED)  # the database left behind is taken again
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT id FROM organizations") == before


def _refused(fleet: Fleet, address: str = "organization/acme") -> None:
    before = placement(fleet), fleet.databases(), fleet.rows("SELECT count(*) FROM tenantplan.audit_log")
    blockers = fleet.plan()["blockers"]
    assert [(b["address"], b["rule"]) for b in blockers] == [(address, "occupied")]
    assert "donors" in blockers[0]["message"]
    fleet.apply(code=3)
    assert (placement(fleet), fleet.databases(), fleet.rows("SELECT count(*) FROM tenantplan.audit_log")) == before


def test_rows_in_the_shared_tables_are_not_left_behind(fleet: Fleet) -> None:
    """A blocker, never a silent loss."""
    fleet.organization("acme")
    fleet.organization("other")
    fleet.apply()
    fleet.execute(
        "INSERT INTO donors (organization_id, email) SELECT id, 'd@x.example' FROM organizations WHERE slug = 'acme'"
    )
    fleet.organization("acme", DEDICATED)
    _refused(fleet)
    fleet.organization("acme")
    fleet.organization("other", DEDICATED)  # another organization's rows hold nobody back
    fleet.apply()
    fleet.converged()


def test_rows_in_a_dedicated_database_are_not_left_behind(fleet: Fleet) -> None:
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("acme"))
    fleet.organization("acme")
    _refused(fleet)
    fleet.settings("dedicatedDatabases: false")
    _refused(fleet)


def test_a_tenant_moves_with_the_same_care(fleet: Fleet) -> None:
    """A tenant with a database of its own, and one that inherits."""
    fleet.organization("acme", DEDICATED)
    fleet.document("Tenant", "paris", "{ organization: acme, displayName: P, database: { mode: dedicated } }")
    fleet.apply()
    assert fleet.database("paris") in fleet.databases()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("paris"))
    fleet.document("Tenant", "paris", "{ organization: acme, displayName: P }")
    _refused(fleet, "tenant/paris")
    fleet.execute("DELETE FROM donors", database=fleet.database("paris"))
    fleet.apply()
    fleet.converged()


def test_an_occupied_database_follows_a_new_name(fleet: Fleet) -> None:
    """Another declared name for a dedicated database must not leave its rows behind."""
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("acme"))
    fleet.organization("acme", f"database: {{ mode: dedicated, name: o{fleet.id}_else }}")
    _refused(fleet)


def test_the_main_database_keeps_the_control_plane(fleet: Fleet) -> None:
    """Control tables in the main database only; the tenant tables in both."""
    fleet.organization("acme")
    fleet.organization("msf", DEDICATED)
    fleet.document("User", "anna@x.example", "{ displayName: A, role: CLIENT_EDITOR }")
    fleet.apply()
    main = {name for (name,) in fleet.rows(_TABLES)}
    own = {name for (name,) in fleet.rows(_TABLES, database=fleet.database("msf"))}
    assert main >= TABLES | {"organizations", "users", "admin_users", "sessions", "tenants", "licenses"}
    assert own == TABLES | {"alembic_version"}
    assert fleet.rows("SELECT count(*) FROM organizations") == [(2,)]


def test_shared_tables_are_divided_by_the_database(fleet: Fleet) -> None:
    """Forced row level security; no organization set: no rows; another's: refused."""
    fleet.organization("acme")
    fleet.organization("other")
    fleet.apply()
    forced = "SELECT relname::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    assert {name for (name,) in fleet.rows(forced)} == TABLES
    ids = dict(fleet.rows("SELECT slug, id::text FROM organizations"))
    with fleet.server.connect(dbname=fleet.main_database) as owner:  # FORCE: the owner too
        owner.execute("SELECT set_config('tenantplan.organization_id', %s, false)", [ids["acme"]])
        owner.execute("INSERT INTO donors (email) VALUES ('d@x.example')")
        assert owner.execute("SELECT organization_id::text FROM donors").fetchall() == [(ids["acme"],)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("INSERT INTO donors (organization_id) VALUES (%s)", [ids["other"]])
        for value in (ids["other"], ""):
            owner.execute("SELECT set_config('tenantplan.organization_id', %s, false)", [value])
            assert owner.execute("SELECT count(*) FROM donors").fetchall() == [(0,)]
    with fleet.server.connect(dbname=fleet.main_database) as unset:
        assert unset.execute("SELECT count(*) FROM donors").fetchall() == [(0,)]
