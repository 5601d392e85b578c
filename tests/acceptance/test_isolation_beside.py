"""`doctor --isolation` beside the rows: databases of no organization, the fleet's lock, what is left behind, former places.

Each line says that it is shut, until somebody opens it by hand: then it is a leak.
"""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from psycopg import sql

from tenantplan.commands.isolation import creation_attempts
from tenantplan.postgres import lock
from tenantplan.postgres.lock_database import lock_database

DEDICATED = "protect: false\ndatabase: { mode: dedicated }"
IN_THE_MAKING = "connect to a database while it is made"
CLOSED = "connect to templates, tombstones, the lock's database and new ones"
LOCKED_OUT = "lock the fleet out"
UNDROPPABLE = "leave what its role cannot be dropped for"
Line = dict[str, str]


def proof(fleet: Fleet, code: int = 0) -> list[Line]:
    """The lines of a proof; it leaves no role, database or large object behind."""
    lines: list[Line] = fleet.run("doctor", "--isolation", "--sample", "9", "--json", code=code).json["tried"]
    left = (
        "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'tp_probe_') UNION ALL"
        " SELECT datname FROM pg_database WHERE starts_with(datname, 'tp_new_doctor_') UNION ALL"
        " SELECT oid::text FROM pg_largeobject_metadata UNION ALL SELECT oid::text FROM pg_default_acl"
    )
    assert fleet.rows(left, database="postgres") == []
    return lines


def leaks(lines: list[Line]) -> dict[str, str]:
    """What leaked, with its detail."""
    return {line["what"]: line["detail"] for line in lines if line["outcome"] == "LEAK"}


@pytest.fixture
def neighbours(fleet: Fleet) -> Fleet:
    """Two organizations with databases of their own, and a tombstone of a third."""
    fleet.document("Tier", "pro", "displayName: Pro")
    for name in ("acme", "zeta", "gone"):
        fleet.organization(name, DEDICATED)
    fleet.apply()
    fleet.organization("gone", f"state: deleted\n{DEDICATED}")
    fleet.apply("--allow-deletes", "1")
    return fleet


def _app(fleet: Fleet) -> str:
    return f"{fleet.database('acme')}_app"


def _named(fleet: Fleet, prefix: str) -> str:
    """The fleet's own database of such a name."""
    found = fleet.rows(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND shobj_description(oid, 'pg_database') LIKE %s",
        prefix,
        f'%"{fleet.name}"%',
        database="postgres",
    )
    return str(found[0][0])


def test_all_is_shut(neighbours: Fleet) -> None:
    lines = proof(neighbours)
    assert leaks(lines) == {}
    said = {line["what"]: line for line in lines if line["target"] in ("organization/acme", "templates")}
    for what in (IN_THE_MAKING, CLOSED, LOCKED_OUT, UNDROPPABLE):
        assert said[what]["outcome"] == "refused", said[what]
    assert said[IN_THE_MAKING]["detail"] == "at each of its two steps"
    assert "postgres" in said[LOCKED_OUT]["detail"] and neighbours.database("acme") in said[LOCKED_OUT]["detail"]
    (compared,) = [line for line in lines if line["target"] == "templates"]
    assert (compared["outcome"], compared["detail"]) == ("saw nothing", "it holds what it held when built")
    large = said["leave large objects behind"]
    assert large["outcome"] == "open" and "postgres: a superuser runs in each: REVOKE EXECUTE" in large["detail"]
    neighbours.converged()


def test_what_can_be_left_is_closed_by_what_the_line_says(neighbours: Fleet) -> None:
    functions = "FUNCTION lo_create(oid), lo_creat(int), lo_from_bytea(oid, bytea)"
    neighbours.execute(f"REVOKE EXECUTE ON {functions} FROM PUBLIC", database="postgres")
    neighbours.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC", database="postgres")
    try:
        lines = proof(neighbours)
    finally:
        neighbours.execute(f"GRANT EXECUTE ON {functions} TO PUBLIC", database="postgres")
        neighbours.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC", database="postgres")
    said = {line["what"]: line for line in lines if line["role"] == _app(neighbours)}
    for what in ("leave large objects behind", "leave temporary tables behind"):
        assert "postgres" not in said[what]["detail"], said[what]
    assert "postgres" in said["leave default privileges behind"]["detail"]


def test_a_template_that_somebody_changed(neighbours: Fleet) -> None:
    template = _named(neighbours, "tp_template_")
    neighbours.execute(f"ALTER DATABASE {template} ALLOW_CONNECTIONS true", database="postgres")
    neighbours.execute(
        "INSERT INTO donors (id, email) VALUES (gen_random_uuid(), 'planted@example.org')", database=template
    )
    neighbours.execute(f"ALTER DATABASE {template} ALLOW_CONNECTIONS false", database="postgres")
    (detail,) = leaks(proof(neighbours, code=3)).values()
    assert detail == "table public.donors holds 1 rows, and held 0 rows when it was built"


def test_a_tombstone_that_somebody_opened(neighbours: Fleet) -> None:
    tombstone = _named(neighbours, "tp_deleted_")
    neighbours.execute(f"GRANT CONNECT ON DATABASE {tombstone} TO {_app(neighbours)}", database="postgres")
    neighbours.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS true", database="postgres")
    found = leaks(proof(neighbours, code=3))
    assert found[CLOSED] == f"got into {tombstone}"
    assert found["connect"] == f"to {tombstone} on server primary, which organization/gone left"


def test_who_is_let_into_the_database_of_the_lock(neighbours: Fleet) -> None:
    name = lock_database(neighbours.main_database)
    neighbours.execute(f"GRANT CONNECT ON DATABASE {name} TO {_app(neighbours)}", database="postgres")
    found = leaks(proof(neighbours, code=3))
    assert found[LOCKED_OUT] == f"took it in database {name}"
    assert found[CLOSED] == f"got into {name}"


def test_an_apply_that_holds_the_lock_is_no_leak(neighbours: Fleet) -> None:
    with neighbours.server.connect("tp_admin", lock_database(neighbours.main_database)) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [lock.KEY])
        lines = proof(neighbours)
    assert {line["outcome"] for line in lines if line["what"] == LOCKED_OUT} == {"not tried"}


def test_a_making_that_leaves_the_door_open(neighbours: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PostgreSQL makes databases by itself, and as one that is shut first and opened to everybody."""

    def plain(name: sql.Identifier, template: object) -> sql.Composed:
        return sql.SQL("CREATE DATABASE {}").format(name)

    def opened(name: str) -> sql.Composed:
        return sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name))

    monkeypatch.setattr(creation_attempts, "opened", opened)
    assert leaks(proof(neighbours, code=3))[IN_THE_MAKING] == "got in once it is opened"
    monkeypatch.setattr(creation_attempts, "copied", plain)
    found = leaks(proof(neighbours, code=3))
    assert found[IN_THE_MAKING] == "got in before it is opened and once it is opened"


def test_something_that_keeps_a_role(neighbours: Fleet) -> None:
    """A right that a superuser gives whoever changes default privileges: tenantplan cannot take it back."""
    neighbours.execute(
        "CREATE TABLE kept (a int); CREATE FUNCTION give() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN EXECUTE format(''GRANT SELECT ON public.kept TO %I'', session_user); END';"
        " CREATE EVENT TRIGGER give ON ddl_command_end WHEN TAG IN ('ALTER DEFAULT PRIVILEGES') EXECUTE FUNCTION give()",
        database="postgres",
    )
    try:
        result = neighbours.run("doctor", "--isolation", "--sample", "9", "--json", code=3)
        assert leaks(result.json["tried"])[UNDROPPABLE].startswith("something stays in postgres: as a superuser")
    finally:
        neighbours.execute("DROP EVENT TRIGGER give; DROP FUNCTION give(); DROP TABLE kept", database="postgres")
    assert leaks(proof(neighbours)) == {}


def test_what_a_killed_proof_left(neighbours: Fleet) -> None:
    mark = f"tenantplan probe of {neighbours.name} in {neighbours.main_database}"
    name = f"tp_probe_{neighbours.id}"
    with neighbours.server.connect() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'Vf4-quite-long'".encode())
        admin.execute(f"COMMENT ON ROLE {name} IS '{mark}'".encode())
    with neighbours.server.connect(name, "postgres", "Vf4-quite-long") as session:
        session.execute("SELECT lo_create(0)")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    assert leaks(proof(neighbours)) == {}


def test_logins_and_databases_of_a_former_place(neighbours: Fleet) -> None:
    neighbours.organization("acme", f"state: suspended\n{DEDICATED}")
    neighbours.apply()
    assert leaks(proof(neighbours)) == {}
    role = _app(neighbours)
    neighbours.execute(f"ALTER ROLE {role} LOGIN", database="postgres")
    lines = proof(neighbours, code=3)
    (login,) = [line for line in lines if line["target"] == "former logins"]
    assert (login["role"], login["outcome"]) == (role, "LEAK")
    assert login["detail"] == "organization/acme is suspended"
    neighbours.apply()
    neighbours.organization("zeta", "protect: false\ndatabase: { mode: shared }")
    neighbours.apply()
    assert leaks(proof(neighbours)) == {}
    left = neighbours.database("zeta")
    neighbours.execute(f"GRANT CONNECT ON DATABASE {left} TO {role}", database="postgres")
    lines = proof(neighbours, code=3)
    (database,) = [line for line in lines if line["target"] == "former databases"]
    assert (database["role"], database["outcome"]) == (role, "LEAK")
    assert database["detail"] == f"to {left} on server primary, which organization/zeta left"
