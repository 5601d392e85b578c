"""Logins of a place where an organization does not live any more are closed, whatever else changed with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
import pytest
from acceptance.harness import Fleet
from servers import TestServer

from tenantplan.secrets.box import new_key

PASSWORD = "a-long-enough-secret"
GIVEN = "password: { env: APP_PASSWORD }"
DEDICATED = f"database: {{ mode: dedicated, readOnly: true, {GIVEN} }}"
REFUSED = "not permitted to log in|authentication failed"  # the one that only reads has no password
SHARED = f"database: {{ login: true, {GIVEN} }}"
KEY = new_key()
MakeServer = Callable[..., TestServer]


def logins(fleet: Fleet, server: TestServer | None = None) -> dict[str, bool]:
    """Login roles of the fleet on a server, by name, and whether they are open."""
    with (server or fleet.server).superuser_connect() as connection:
        found = connection.execute(
            "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname LIKE %s AND rolname !~ '_owner$'",
            [f"o{fleet.id}\\_%"],
        ).fetchall()
    return {name.removeprefix(f"o{fleet.id}_"): is_open for name, is_open in found}


def open_logins(fleet: Fleet, server: TestServer | None = None) -> set[str]:
    return {name for name, is_open in logins(fleet, server).items() if is_open}


def begun(fleet: Fleet, body: str) -> None:
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.organization("beta", body)
    fleet.apply()


RENAMED = {"renamedFrom": "beta"}
CASES: Mapping[str, tuple[str, str, str, Mapping[str, str], set[str]]] = {
    # before, name after, after, metadata, open logins
    "another database": (
        DEDICATED,
        "beta",
        "database: {{ mode: dedicated, name: x{id}_else, {given} }}",
        {},
        set(),
    ),
    "suspended, and another database": (
        DEDICATED,
        "beta",
        "state: suspended\ndatabase: {{ mode: dedicated, name: x{id}_else, {given} }}",
        {},
        set(),
    ),
    "renamed and shared": (DEDICATED, "acme", SHARED, RENAMED, {"acme_app"}),
    "renamed, shared and suspended": (DEDICATED, "acme", SHARED + "\nstate: suspended", RENAMED, set()),
    "renamed and dedicated": (SHARED, "acme", DEDICATED, RENAMED, {"acme_app", "acme_ro"}),
    "renamed, and another database": (
        DEDICATED,
        "acme",
        "database: {{ mode: dedicated, name: x{id}_else, {given} }}",
        RENAMED,
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_former_place_is_closed(fleet: Fleet, case: str) -> None:
    before, name, after, metadata, expected = CASES[case]
    begun(fleet, before)
    fleet.remove("Organization", "beta")
    fleet.organization(name, after.format(id=fleet.id, given=GIVEN) if "{id}" in after else after, **metadata)
    fleet.apply()
    assert open_logins(fleet) == expected
    fleet.converged()
    for former in logins(fleet).keys() - expected:
        with pytest.raises(psycopg.OperationalError, match=REFUSED):
            fleet.server.connect(f"o{fleet.id}_{former}", "postgres", PASSWORD)


def test_a_tenants_former_database_is_closed(fleet: Fleet) -> None:
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.organization("msf", "database: { password: { generate: true } }")
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: P, database: { mode: dedicated } }")
    fleet.apply()
    assert open_logins(fleet) == {"paris_app"}
    fleet.document("Tenant", "lyon", "{ organization: msf, displayName: P }", renamedFrom="paris")
    fleet.remove("Tenant", "paris")
    fleet.apply()
    assert open_logins(fleet) == set()
    fleet.converged()


@pytest.fixture
def eu(fresh_server: MakeServer, fleet: Fleet) -> TestServer:
    """A second server of the fleet."""
    made = fresh_server()
    fleet.env["TENANTPLAN_EU1_URL"] = made.url()
    fleet.settings("servers: { eu-1: { url: { env: TENANTPLAN_EU1_URL } } }")
    return made


@pytest.mark.parametrize("way", ["shared", "another server", "dedicatedDatabases: false", "its own database"])
def test_the_former_server_is_closed(fleet: Fleet, eu: TestServer, way: str) -> None:
    """On the server where the login is, in the same apply: nothing is written into a database that was left."""
    begun(fleet, f"database: {{ mode: dedicated, server: eu-1, {GIVEN} }}")
    assert open_logins(fleet, eu) == {"beta_app"}
    if way == "shared":
        fleet.organization("beta")
    elif way == "another server":
        fleet.organization("beta", f"database: {{ mode: dedicated, {GIVEN} }}")
    elif way == "its own database":
        with fleet.server.connect() as admin:
            admin.execute(f"CREATE DATABASE own_{fleet.id}".encode())
        fleet.env["OWN_URL"] = fleet.server.url(dbname=f"own_{fleet.id}")
        fleet.organization("beta", "database: { url: { env: OWN_URL } }")
    else:
        fleet.settings(fleet.spec + "\ndedicatedDatabases: false")
    fleet.apply()
    assert open_logins(fleet, eu) == set()
    fleet.converged()
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        eu.connect(f"o{fleet.id}_beta_app", fleet.database("beta"), PASSWORD)
    if way == "its own database":
        fleet.execute(f"DROP DATABASE own_{fleet.id} WITH (FORCE)", database="postgres")


def test_an_abandoned_database_follows_its_organizations_name(fleet: Fleet) -> None:
    """Whoever takes the old name does not get what another organization left under it."""
    begun(fleet, DEDICATED)
    fleet.remove("Organization", "beta")
    fleet.organization("acme", SHARED, renamedFrom="beta")
    fleet.apply()
    fleet.organization("acme", SHARED)
    fleet.organization("beta", DEDICATED)
    rules = {(b["address"], b["rule"]) for b in fleet.plan()["blockers"]}
    assert (f"database/primary/{fleet.database('beta')}", "taken") in rules
    fleet.apply(code=3)


@pytest.mark.once
def test_drift_finds_an_open_login_of_a_former_place(fleet: Fleet) -> None:
    """Also one that no apply knows of, such as one that an older tenantplan left open."""
    begun(fleet, DEDICATED)
    fleet.organization("beta", SHARED)
    fleet.apply()
    fleet.run("drift")
    role = f"o{fleet.id}_beta_ro"
    fleet.execute(f"ALTER ROLE {role} LOGIN", database="postgres")
    fleet.execute("UPDATE tenantplan.operations SET after = jsonb_set(after::jsonb, '{login}', 'true')::json"
                  " WHERE after ->> 'name' = %s", role)  # fmt: skip
    assert "organization/beta does not live there" in fleet.run("drift", code=2).out
    fleet.apply()
    assert open_logins(fleet) == {"beta_app"}
    fleet.run("drift")


def test_sessions_in_the_database_that_was_left_are_over(fleet: Fleet) -> None:
    """The login stays, bound to its organization in the shared tables; what it had open writes nothing where it was."""
    begun(fleet, DEDICATED)
    app, database = f"o{fleet.id}_beta_app", fleet.database("beta")
    with fleet.server.connect(app, database, PASSWORD) as session:
        fleet.organization("beta", SHARED)
        fleet.apply()
        assert open_logins(fleet) == {"beta_app"}
        with pytest.raises(psycopg.OperationalError):
            session.execute("INSERT INTO donors (email) VALUES ('late@x.example')")
    assert fleet.rows("SELECT count(*) FROM donors", database=database) == [(0,)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        fleet.server.connect(app, database, PASSWORD)
    fleet.converged()


def test_a_lock_on_its_own_tables_keeps_back_nobody_else(fleet: Fleet) -> None:
    """Whether a place is empty cannot be told while its owner locks it: its organization waits, by name; the others do not."""
    fleet.settings("timeouts: { lock: 1s }")
    begun(fleet, DEDICATED)
    with fleet.server.connect(f"o{fleet.id}_beta_app", fleet.database("beta"), PASSWORD) as session:
        session.autocommit = False
        session.execute("LOCK TABLE donors IN ACCESS EXCLUSIVE MODE")
        fleet.organization("beta", SHARED)
        fleet.organization("other")
        plan = fleet.plan()
        assert plan["blockers"] == []
        assert [f["address"] for f in plan["unreachable"]] == ["organization/beta"]
        fleet.apply(code=5)
    assert fleet.rows("SELECT slug, database_mode::text FROM organizations ORDER BY 1") == [
        ("beta", "dedicated"),
        ("other", "shared"),
    ]
    fleet.apply()
    fleet.converged()
