"""A login that is bound to one organization holds up nobody else: not by locks on shared tables, nor by open transactions."""

from __future__ import annotations

import time

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

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
