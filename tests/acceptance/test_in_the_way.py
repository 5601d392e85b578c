"""A login holds up nobody else: not by locks on shared tables, nor by open transactions, nor by holding their databases."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from conftest import FreshServer

PASSWORD = "a-long-enough-secret"
WAYS = {
    "a locked table": ("LOCK TABLE donors IN ACCESS EXCLUSIVE MODE",),
    "a transaction that has read": ("SELECT count(*) FROM donors",),
    "a transaction that has written": ("INSERT INTO donors (email) VALUES ('d@x.example')",),
    "a snapshot": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM donors"),
}


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    """Two organizations in the shared tables, one of which has a login of its own."""
    tree = tenant_tree(fleet)
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.organization("beta", "database: { login: true, password: { env: APP_PASSWORD } }")
    fleet.organization("other")
    fleet.apply()
    return tree


def holder(fleet: Fleet, statements: tuple[str, ...]) -> psycopg.Connection[tuple[object, ...]]:
    """A session of beta's login in a transaction that does not end."""
    session = fleet.server.connect(f"o{fleet.id}_beta_app", fleet.main_database, PASSWORD)
    session.autocommit = False
    for statement in statements:
        session.execute(statement.encode())
    return session


def timed(fleet: Fleet) -> float:
    started = time.monotonic()
    fleet.apply()
    return time.monotonic() - started


@pytest.mark.parametrize("way", WAYS)
def test_a_migration_of_the_shared_tables_goes_on(fleet: Fleet, tree: TenantTree, way: str) -> None:
    tree.add("aa000001", "op.add_column('donors', sa.Column('nick', sa.Text()))")
    session = holder(fleet, WAYS[way])
    assert timed(fleet) < 25
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    fleet.converged()


def test_an_index_that_is_built_concurrently_goes_on(fleet: Fleet, tree: TenantTree) -> None:
    """It waits for every transaction, without a timeout."""
    body = "op.create_index('nicks', 'donors', ['phone'], postgresql_concurrently=True)"
    tree.add("aa000001", f"with op.get_context().autocommit_block():\n    {body}")
    session = holder(fleet, WAYS["a transaction that has written"])
    assert timed(fleet) < 25
    session.close()
    fleet.converged()


def test_another_organization_leaves_the_shared_tables(fleet: Fleet, tree: TenantTree) -> None:
    session = holder(fleet, WAYS["a transaction that has written"])
    fleet.organization("other", "database: { mode: dedicated }")
    assert timed(fleet) < 25
    session.close()
    fleet.converged()


def test_who_is_not_in_the_way_stays(fleet: Fleet, tree: TenantTree) -> None:
    session = holder(fleet, WAYS["a transaction that has read"])
    fleet.organization("third", "database: { mode: dedicated }")
    fleet.apply()
    session.execute("SELECT 1")
    session.close()
    assert tree.head


def held(fleet: Fleet, database: str) -> psycopg.Connection[tuple[object, ...]]:
    """A session of beta's login that holds a database of somebody else: a setting of its own role in there, not committed."""
    return holder(fleet, (f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET work_mem = '4MB'",))


THIRD = "protect: false\ndatabase: { mode: dedicated }"


@pytest.mark.parametrize("change", ["renamed", "deleted"])
def test_a_database_that_another_login_holds(fleet: Fleet, tree: TenantTree, change: str) -> None:
    fleet.settings("guard: { graceDays: 0 }", migrations="migrations/tenant")
    fleet.organization("third", THIRD)
    fleet.apply()
    with held(fleet, fleet.database("third")) as session:
        started = time.monotonic()
        if change == "deleted":
            fleet.organization("third", f"{THIRD}\nstate: deleted")
            fleet.apply("--allow-deletes", "1")
            fleet.apply("--allow-deletes", "1")
        else:
            fleet.remove("Organization", "third")
            fleet.organization("fourth", THIRD, renamedFrom="third")
            fleet.apply()
        assert time.monotonic() - started < 40
        session.close()
    assert fleet.database("third") not in fleet.databases()
    fleet.converged()


def test_a_database_in_the_making_that_another_login_holds(fleet: Fleet, tree: TenantTree) -> None:
    fleet.organization("third", "database: { mode: dedicated }")
    died = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "database-created"})
    assert died.code < 0
    (making,) = [name for name in fleet.databases() if name.startswith("tp_new_")]
    session = held(fleet, making)
    assert timed(fleet) < 25
    session.close()
    fleet.converged()


INDEX = """
with op.get_context().autocommit_block():
    op.create_index('nicks', 'donors', ['phone'], postgresql_concurrently=True)
"""


def test_an_index_of_its_own_database_waits_as_long_as_a_statement_may_take(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.settings("rollout: { statementTimeoutSeconds: 4 }", migrations="migrations/tenant")
    fleet.organization("beta", "database: { mode: dedicated, password: { env: APP_PASSWORD } }")
    fleet.apply()
    tree.add("aa000001", INDEX)
    login = f"o{fleet.id}_beta_app"
    with fleet.server.connect(login, fleet.database("beta"), PASSWORD) as session:
        session.autocommit = False
        session.execute("INSERT INTO donors (email) VALUES ('d@x.example')")
        assert 3 < timed(fleet) < 30
        session.close()
    fleet.converged()


def test_a_database_of_another_server_that_a_login_holds(fleet: Fleet, fresh_server: FreshServer) -> None:
    west = fresh_server()
    fleet.env |= {"APP_PASSWORD": PASSWORD, "WEST_URL": west.url()}
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }")
    fleet.organization("beta", "database: { mode: dedicated, server: west, password: { env: APP_PASSWORD } }")
    third = THIRD.replace("dedicated", "dedicated, server: west")
    fleet.organization("third", third)
    fleet.apply()
    with west.connect(f"o{fleet.id}_beta_app", "postgres", PASSWORD) as session:
        session.autocommit = False
        name = fleet.database("third")
        session.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET work_mem = '4MB'".encode())
        fleet.remove("Organization", "third")
        fleet.organization("fourth", third, renamedFrom="third")
        assert timed(fleet) < 30
        session.close()
    fleet.converged()


def test_who_stands_in_the_queue_stays(fleet: Fleet, tree: TenantTree) -> None:
    """gamma waits for beta as the migration does, and before it: it goes on once beta is sent away."""
    fleet.organization("gamma", "database: { login: true, password: { env: APP_PASSWORD } }")
    fleet.apply()
    gamma = fleet.server.connect(f"o{fleet.id}_gamma_app", fleet.main_database, PASSWORD)
    beta = holder(fleet, WAYS["a locked table"])
    waiting = threading.Thread(target=gamma.execute, args=("INSERT INTO donors (email) VALUES ('g@x.example')",))
    waiting.start()
    tree.add("aa000001", "op.add_column('donors', sa.Column('nick', sa.Text()))")
    assert timed(fleet) < 25
    waiting.join()
    gamma.commit()
    assert gamma.execute("SELECT count(*) FROM donors").fetchall() == [(1,)]
    for session in (beta, gamma):
        session.close()


OWN = "database: { mode: dedicated, password: { env: APP_PASSWORD } }"


@pytest.mark.parametrize("change", ["renamed", "deleted", "password", "limit"])
def test_a_login_does_not_keep_its_own_change_from_happening(fleet: Fleet, change: str) -> None:
    """It holds its database's row in the catalog, and its role's."""
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.organization("evil", f"protect: false\n{OWN}")
    fleet.apply()
    login = f"o{fleet.id}_evil_app"
    with fleet.server.connect(login, "postgres", PASSWORD) as session:
        session.autocommit = False
        session.execute("DROP OWNED BY CURRENT_USER")
        session.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{PASSWORD}'".encode())
        started = time.monotonic()
        if change == "renamed":
            fleet.remove("Organization", "evil")
            fleet.organization("good", OWN, renamedFrom="evil")
        elif change == "deleted":
            fleet.organization("evil", f"protect: false\nstate: deleted\n{OWN}")
        elif change == "limit":
            fleet.organization("evil", OWN.replace("{ mode", "{ connectionLimit: 3, mode"))
        else:
            fleet.env["APP_PASSWORD"] = f"another-{PASSWORD}"
        fleet.apply("--allow-deletes", "1" if change == "deleted" else "0")
        assert time.monotonic() - started < 30
        session.close()
    with pytest.raises(psycopg.OperationalError):
        fleet.server.connect(login, "postgres", f"another-{PASSWORD}" if change == "limit" else PASSWORD)
    fleet.converged()


def test_its_own_locks_hold_up_its_own_migration_only(fleet: Fleet) -> None:
    """Every other organization is migrated, although no failure is allowed."""
    tree = tenant_tree(fleet)
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.settings("rollout: { parallelism: 1, lockTimeoutSeconds: 0.3, batch: 1 }", migrations="migrations/tenant")
    for name in ("evil", "farm", "gate"):
        fleet.organization(name, OWN)
    fleet.apply()
    tree.add("aa000001", "op.add_column('donors', sa.Column('nick', sa.Text()))")
    with fleet.server.connect(f"o{fleet.id}_evil_app", fleet.database("evil"), PASSWORD) as session:
        session.autocommit = False
        session.execute("SELECT count(*) FROM donors")
        out = fleet.apply(code=5).out
        session.rollback()
    assert "Stopped" not in out
    for name in ("farm", "gate"):
        assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database(name)) == [("aa000001",)]
    fleet.apply()
    fleet.converged()


def test_an_index_that_failed_holds_up_its_own_organization_only(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    for name in ("evil", "farm"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    twice = "INSERT INTO donors (email, phone) VALUES ('a@x.example', '1'), ('b@x.example', '1')"
    fleet.execute(twice, database=fleet.database("evil"))
    body = "op.create_index('phones', 'donors', ['phone'], unique=True, postgresql_concurrently=True)"
    tree.add("aa000001", f"with op.get_context().autocommit_block():\n    {body}")
    fleet.settings("rollout: { maxFailures: 5 }", migrations="migrations/tenant")
    fleet.apply(code=5)
    fleet.organization("new", "database: { mode: dedicated }")
    plan = fleet.run("plan").out
    assert "is INVALID" in plan
    fleet.apply(code=5)
    assert fleet.database("new") in fleet.databases()
    fleet.execute("DROP INDEX phones; DELETE FROM donors WHERE phone = '1'", database=fleet.database("evil"))
    fleet.apply()
    fleet.converged()


def test_who_may_not_be_sent_away_is_named(tmp_path: Path, pg_version: int, fresh_server: FreshServer) -> None:
    """A role that somebody else made: of another fleet, or by hand."""
    fleet = Fleet(tmp_path / "fleet", fresh_server())
    fleet.organization("third", THIRD)
    fleet.apply()
    with fleet.server.superuser_connect() as admin:
        admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'a-long-enough-secret'")
    with fleet.server.connect("stranger", "postgres", PASSWORD) as session:
        session.autocommit = False
        name = fleet.database("third")
        session.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET work_mem = '4MB'".encode())

        def leave() -> None:
            with suppress(psycopg.OperationalError):  # it was sent away
                session.rollback()

        leaves = threading.Timer(12, leave)
        leaves.start()
        fleet.remove("Organization", "third")
        fleet.organization("fourth", THIRD, renamedFrom="third")
        out = fleet.apply().out
        leaves.join()
        session.close()
    if pg_version > 15:  # who may create roles may end the sessions of any, there
        assert "a session of role stranger on" in out, out
    fleet.converged()
