"""A tenant cannot keep its own purge from ending, nor can a purge that fails keep others from what they are about."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from conftest import FreshServer

from tenantplan.postgres import membership

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
        assert "(pg_class)" in result.out  # nobody of tenantplan's can look there
        assert "Stopped" not in result.out
        for name in ("care", "dora", "ella"):
            assert tenants.rows("SELECT count(*) FROM donors", database=tenants.database(name)) == [(0,)]
        tenants.execute(f"DROP OWNED BY {role}", database=closed)
        tenants.apply("--allow-deletes", "1")
        assert _roles(tenants, "acme") == []
        tenants.converged()
    finally:
        tenants.execute(f"DROP DATABASE {closed}", database="postgres")


def _purge(fleet: Fleet, name: str, body: str, code: int = 0) -> str:
    _delete(fleet, name, body)
    fleet.settings("guard: { graceDays: 0 }")
    return fleet.apply("--allow-deletes", "1", code=code).out


def test_a_right_on_another_organizations_database_goes_with_the_role(tenants: Fleet) -> None:
    """Given by hand: CONNECT on the database, and rows of a table in it."""
    tenants.organization("zeta", DEDICATED)
    tenants.apply()
    role, other = f"{tenants.database('acme')}_app", tenants.database("zeta")
    _delete(tenants, "acme", DEDICATED)
    tenants.execute(f"GRANT SELECT ON donors TO {role}", database=other)
    tenants.execute(f"GRANT CONNECT, CREATE ON DATABASE {other} TO {role}", database="postgres")
    tenants.settings("guard: { graceDays: 0 }")
    tenants.apply("--allow-deletes", "1")
    assert _roles(tenants, "acme") == []
    tenants.converged()


def test_more_large_objects_than_a_transaction_may_lock(tenants: Fleet) -> None:
    with _login(tenants, "beta", tenants.main_database) as session:
        session.execute("SELECT count(lo_create(0)) FROM generate_series(1, 15000)")
    _delete(tenants, "beta", BOUND)
    tenants.settings("guard: { graceDays: 0 }")
    tenants.apply("--allow-deletes", "1")
    assert _roles(tenants, "beta") == []
    assert tenants.rows("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    tenants.converged()


def test_what_another_login_granted_does_not_keep_a_role(tenants: Fleet) -> None:
    """By its owner, and by who was given the right to grant it."""
    tenants.organization("care", DEDICATED)
    tenants.apply()
    gone, giver, other = (f"{tenants.database(name)}_app" for name in ("acme", "beta", "care"))
    with _login(tenants, "beta", "postgres") as session:
        row = session.execute("SELECT lo_create(0)").fetchone()
        assert isinstance(row, tuple)
        thing = f"LARGE OBJECT {row[0]}"
        session.execute(f"GRANT SELECT ON {thing} TO {gone}".encode())
        session.execute(f"GRANT SELECT, UPDATE ON {thing} TO {other} WITH GRANT OPTION".encode())
        session.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {gone}".encode())
    with _login(tenants, "care", "postgres") as session:
        session.execute(f"GRANT SELECT, UPDATE ON {thing} TO {gone}".encode())
    _delete(tenants, "acme", DEDICATED)
    tenants.settings("guard: { graceDays: 0 }")
    tenants.apply("--allow-deletes", "1")
    assert _roles(tenants, "acme") == []
    kept = tenants.rows("SELECT lomacl::text FROM pg_largeobject_metadata", database="postgres")
    assert f"{other}=r*w*/{giver}" in str(kept)
    with _login(tenants, "beta", "postgres") as session:
        session.execute(f"DROP OWNED BY {giver}".encode())
    tenants.converged()


def test_what_a_tenant_left_behind_on_another_server(tenants: Fleet, fresh_server: FreshServer) -> None:
    west = fresh_server()
    tenants.settings("servers: { west: { url: { env: WEST_URL } } }")
    tenants.env["WEST_URL"] = west.url()
    body = DEDICATED.replace("dedicated", "dedicated, server: west")
    tenants.organization("dora", body)
    tenants.apply()
    with west.connect(f"{tenants.database('dora')}_app", "postgres", PASSWORD) as session:
        for statement in LEAVE:
            session.execute(statement.encode())
    _delete(tenants, "dora", body)
    tenants.settings("servers: { west: { url: { env: WEST_URL } } }\nguard: { graceDays: 0 }")
    tenants.apply("--allow-deletes", "1")
    left = "SELECT count(*) FROM pg_roles WHERE rolname LIKE %s"
    with west.superuser_connect() as session:
        assert session.execute(left, [f"{tenants.database('dora')}_%"]).fetchall() == [(0,)]
        assert session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchall() == [(0,)]
    tenants.converged()


@pytest.fixture
def preparing(tmp_path: Path, fresh_server: FreshServer) -> Fleet:
    """A fleet on a server that takes prepared transactions, with a deleted organization whose database has two."""
    fleet = Fleet(tmp_path / "fleet", fresh_server({"max_prepared_transactions": "5"}))
    fleet.env["LOGIN_PASSWORD"] = PASSWORD
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    _delete(fleet, "acme", DEDICATED)
    (tombstone,) = [name for name in fleet.databases() if name.startswith("tp_deleted_")]
    fleet.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS true", database="postgres")
    with fleet.connect(tombstone) as session:
        session.autocommit = True
        session.execute(f"SET ROLE {fleet.database('acme')}_app")
        for number in range(2):
            session.execute(f"BEGIN; LOCK TABLE donors IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'p{number}'".encode())
    fleet.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS false", database="postgres")
    fleet.settings("guard: { graceDays: 0 }")
    return fleet


def test_prepared_transactions_do_not_keep_a_tombstone(preparing: Fleet) -> None:
    """They are rolled back by a session that acts as their role and is never seen as its member."""
    with preparing.connect("postgres") as session:  # where the role has nothing else
        session.autocommit = True
        session.execute(f"SET ROLE {preparing.database('acme')}_app")
        session.execute("BEGIN; SELECT lo_create(0); PREPARE TRANSACTION 'far'")
    preparing.apply("--allow-deletes", "1")
    assert preparing.rows("SELECT count(*) FROM pg_prepared_xacts", database="postgres") == [(0,)]
    assert _roles(preparing, "acme") == []
    preparing.converged()


def test_prepared_transactions_of_a_superuser_are_named(preparing: Fleet) -> None:
    (tombstone,) = [name for name in preparing.databases() if name.startswith("tp_deleted_")]
    preparing.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS true", database="postgres")
    with preparing.connect(tombstone) as session:
        session.autocommit = True
        session.execute("BEGIN; LOCK TABLE donors IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'mine'")
    out = preparing.apply("--allow-deletes", "1", code=5).out
    assert f"database {tombstone} cannot be dropped" in out
    assert f"as a superuser, in database {tombstone}: ROLLBACK PREPARED 'mine'" in out
    preparing.execute(f"ALTER DATABASE {tombstone} ALLOW_CONNECTIONS true", database="postgres")
    with preparing.connect(tombstone) as session:
        session.autocommit = True
        session.execute("ROLLBACK PREPARED 'mine'")
    preparing.apply("--allow-deletes", "1")
    preparing.converged()


def test_a_membership_of_a_purge_is_never_committed(tenants: Fleet) -> None:
    """Whenever a process dies, tenantplan's role is a member of no login: another session sees none at any time."""
    role = f"{tenants.database('acme')}_app"
    with tenants.server.connect() as admin, tenants.connect("postgres") as watcher:
        watcher.autocommit = admin.autocommit = True
        member = "SELECT m.* FROM pg_auth_members m WHERE roleid = %s::regrole ORDER BY 1"
        before = watcher.execute(member.encode(), [role]).fetchall()
        with membership.acting_as(admin, role):
            assert admin.execute("SELECT current_user::text").fetchall() == [(role,)]
            assert watcher.execute(member.encode(), [role]).fetchall() == before
        assert admin.execute("SELECT current_user::text").fetchall() == [("tp_admin",)]


def test_a_purge_that_dies_leaves_no_membership(tenants: Fleet) -> None:
    with _login(tenants, "beta", "postgres") as session:
        session.execute("SELECT lo_create(0)")
    _delete(tenants, "beta", BOUND)
    tenants.settings("guard: { graceDays: 0 }")
    dying = {"TENANTPLAN_FAILPOINT": "effects-made"}
    assert tenants.process("apply", "--auto-approve", "--allow-deletes", "1", env=dying).code < 0
    role = f"{tenants.database('beta')}_app"
    assert tenants.rows("SELECT count(*) FROM pg_largeobject_metadata", database="postgres") == [(0,)]
    member = "SELECT pg_has_role('tp_admin', %s, 'USAGE')"
    assert tenants.rows(member, role, database="postgres") == [(False,)]
    tenants.apply("--allow-deletes", "1")
    tenants.converged()


def test_a_purge_that_fails_names_the_objects(tenants: Fleet) -> None:
    role = f"{tenants.database('acme')}_app"
    _delete(tenants, "acme", DEDICATED)
    tenants.settings("guard: { graceDays: 0 }")
    for number in range(7):
        tenants.execute(
            f"CREATE TABLE kept{number} (a int); GRANT SELECT ON kept{number} TO {role}", database="postgres"
        )
    try:
        out = tenants.apply("--allow-deletes", "1", code=5).out  # only who granted something may take it back
        listed = ", ".join(f"table public.kept{number}" for number in range(5))
        assert f"({listed} and 2 more)" in out
        tenants.execute(f"DROP OWNED BY {role}", database="postgres")
        tenants.apply("--allow-deletes", "1")
        tenants.converged()
    finally:
        names = ", ".join(f"kept{number}" for number in range(7))
        tenants.execute(f"DROP TABLE {names}", database="postgres")


def test_a_database_migrated_after_it_was_made_leaves_no_drift_when_it_is_purged(fleet: Fleet) -> None:
    body = "protect: false\ndatabase: { mode: dedicated }"
    fleet.settings("guard: { graceDays: 0 }")
    tree = tenant_tree(fleet)
    fleet.organization("acme", body)
    fleet.apply()
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    fleet.apply()  # the schema's own entry in the journal
    _delete(fleet, "acme", body)
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))
    assert fleet.database("acme") not in fleet.databases()
    fleet.run("drift")
