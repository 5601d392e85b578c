"""A login holds up nobody else: not by locks on shared tables, nor by open transactions, nor by holding their databases."""

from __future__ import annotations

import time

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from conftest import FreshServer  # type: ignore[import-not-found]  # the one in tests/

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
