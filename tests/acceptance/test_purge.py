"""A tenant cannot keep its own purge from ending, nor can a purge that fails keep others from what they are about."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

PASSWORD = "Vf4-quite-a-long-password"
LOGIN = "password: { env: LOGIN_PASSWORD }"
DEDICATED = f"protect: false\ndatabase: {{ mode: dedicated, {LOGIN} }}"
BOUND = f"protect: false\ndatabase: {{ mode: shared, login: true, {LOGIN} }}"


@pytest.fixture
def tenants(fleet: Fleet) -> Fleet:
    """A fleet with one organization of each mode, both with logins."""
    fleet.env["LOGIN_PASSWORD"] = PASSWORD
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.organization("acme", DEDICATED)
    fleet.organization("beta", BOUND)
    fleet.apply()
    return fleet


def _login(fleet: Fleet, name: str, database: str) -> psycopg.Connection[object]:
    return fleet.server.connect(f"{fleet.database(name)}_app", database, PASSWORD)


def _delete(fleet: Fleet, name: str, body: str) -> None:
    fleet.organization(name, f"state: deleted\n{body}")
    fleet.apply("--allow-deletes", "1")


def _roles(fleet: Fleet, name: str) -> list[object]:
    like = f"{fleet.database(name)}_%"
    return [
        row[0] for row in fleet.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", like, database="postgres")
    ]


LEAVE = ("SELECT lo_create(0)", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")


@pytest.mark.parametrize(("name", "body"), [("acme", DEDICATED), ("beta", BOUND)])
def test_what_a_tenant_left_behind_goes_with_its_role(tenants: Fleet, name: str, body: str) -> None:
    places = ["postgres"] if name == "acme" else ["postgres", tenants.main_database]
    for place in places:
        with _login(tenants, name, place) as session:
            for statement in LEAVE:
                session.execute(statement.encode())
    tenants.execute("CREATE TABLE handed_over (a int)", database="postgres")
    _delete(tenants, name, body)
    tenants.settings("guard: { graceDays: 0 }")
    try:
        tenants.apply("--allow-deletes", "1")
    finally:
        tenants.execute("DROP TABLE handed_over", database="postgres")
    assert _roles(tenants, name) == []
    for place in places:
        owned = "SELECT count(*) FROM pg_largeobject_metadata WHERE lomowner NOT IN (SELECT oid FROM pg_roles)"
        assert tenants.rows(owned, database=place) == [(0,)]
    joined = (
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE %s AND rolcanlogin AND pg_has_role('tp_admin', oid, 'USAGE')"
    )
    assert tenants.rows(joined, f"o{tenants.id}%", database="postgres") == [(0,)]
    tenants.converged()


def test_a_purge_that_fails_fails_alone_and_says_what_to_do(tenants: Fleet) -> None:
    closed = f"closed_{tenants.id}"
    role = f"{tenants.database('acme')}_app"
    tenants.execute(f"CREATE DATABASE {closed}", database="postgres")
    try:
        tenants.execute(f"REVOKE ALL ON DATABASE {closed} FROM PUBLIC", database="postgres")
        tenants.execute("CREATE TABLE kept (a int)", database=closed)
        tenants.execute(f"GRANT SELECT ON kept TO {role}", database=closed)
        _delete(tenants, "acme", DEDICATED)
        tenants.settings("guard: { graceDays: 0 }\nrollout: { parallelism: 1 }")
        for name in ("care", "dora", "ella"):
            tenants.organization(name, "database: { mode: dedicated }")
        result = tenants.apply("--allow-deletes", "1", code=5)
        assert f"role {role} cannot be dropped" in result.out
        assert f"in database {closed}: DROP OWNED BY" in result.out
        assert "Stopped" not in result.out
        for name in ("care", "dora", "ella"):
            assert tenants.rows("SELECT count(*) FROM donors", database=tenants.database(name)) == [(0,)]
        tenants.execute(f"DROP OWNED BY {role}", database=closed)
        tenants.apply("--allow-deletes", "1")
        assert _roles(tenants, "acme") == []
        tenants.converged()
    finally:
        tenants.execute(f"DROP DATABASE {closed}", database="postgres")
