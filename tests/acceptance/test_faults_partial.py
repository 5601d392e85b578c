"""Faults 7 and 8: one database of many cannot be reached, or cannot take the change; the others are none the worse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from servers import TestServer

SPEC = "guard: { maxChangedPercent: 100 }"
MANY = [f"org-{number:02}" for number in range(20)]


@pytest.fixture(scope="module")
def twenty(pg_version: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, TenantTree]]:
    """Twenty dedicated databases on a server whose files a test may edit."""
    server = TestServer(pg_version)
    fleet = Fleet(tmp_path_factory.mktemp("twenty"), server)
    tree = tenant_tree(fleet)
    fleet.settings(SPEC, migrations="migrations/tenant")
    for name in MANY:
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    yield fleet, tree
    server.remove()


def revisions(fleet: Fleet, names: list[str]) -> list[str]:
    """What each database's own version table says."""
    statement = "SELECT version_num FROM public.alembic_version"
    return [fleet.rows(statement, database=fleet.database(name))[0][0] for name in names]


def test_a_database_closed_before_the_plan_is_held_out(twenty: tuple[Fleet, TenantTree]) -> None:
    """Fault 7, seen by the plan: ALLOW_CONNECTIONS false."""
    fleet, tree = twenty
    before = tree.head
    tree.add("a0000001", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    closed = fleet.database("org-07")
    fleet.execute(f"ALTER DATABASE {closed} ALLOW_CONNECTIONS false", database="postgres")
    plan = fleet.plan()
    assert f"schema/primary/{closed}" not in [o["address"] for o in plan["operations"]]
    result = fleet.apply(code=5)
    assert closed in result.out
    fleet.execute(f"ALTER DATABASE {closed} ALLOW_CONNECTIONS true", database="postgres")
    others = [name for name in MANY if name != "org-07"]
    assert set(revisions(fleet, others)) == {"a0000001"}
    assert revisions(fleet, ["org-07"]) == [before]
    assert fleet.operations() == [f"migrate schema/primary/{closed}"]
    fleet.apply()
    fleet.converged()


def test_a_database_that_refuses_during_the_apply_is_the_only_one_left(twenty: tuple[Fleet, TenantTree]) -> None:
    """Fault 7, seen by the apply only: pg_hba.conf rejects connections to one database."""
    fleet, tree = twenty
    before = tree.head
    tree.add("a0000002", "op.add_column('donors', sa.Column('pronouns', sa.Text()))")
    refusing = fleet.database("org-07")
    hba = fleet.server.data / "pg_hba.conf"
    rules = hba.read_text()
    hba.write_text(f"host {refusing} tp_admin 127.0.0.1/32 reject\n{rules}")
    reload(fleet)
    result = fleet.apply(code=5)
    assert refusing in result.out and "pg_hba" in result.out
    hba.write_text(rules)
    reload(fleet)
    others = [name for name in MANY if name != "org-07"]
    assert set(revisions(fleet, others)) == {"a0000002"}
    assert revisions(fleet, ["org-07"]) == [before]
    assert fleet.rows(
        "SELECT address, result FROM tenantplan.audit_log WHERE action = 'connect' AND result = 'failed'"
    ) == [(f"schema/primary/{refusing}", "failed")]
    assert fleet.operations() == [f"migrate schema/primary/{refusing}"]
    fleet.apply()
    fleet.converged()


def reload(fleet: Fleet) -> None:
    """Has the server read pg_hba.conf again; new sessions see it, so wait until one does."""
    ((loaded,),) = fleet.rows("SELECT pg_conf_load_time()::text FROM pg_reload_conf()", database="postgres")
    while fleet.rows("SELECT pg_conf_load_time()::text", database="postgres") == [(loaded,)]:
        pass


@pytest.mark.slow
def test_a_rollout_stops_at_the_tenant_whose_data_are_against_it(pg_version: int, tmp_path: Path) -> None:
    """36 new, the 37th wholly old, 63 untouched; then finished. The row's values are nowhere."""
    server = TestServer(pg_version)
    try:
        _stops_at_the_37th(Fleet(tmp_path / "fleet", server))
    finally:
        server.remove()


def _stops_at_the_37th(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.settings(SPEC, migrations="migrations/tenant")
    names = [f"org-{number:03}" for number in range(100)]
    for name in names:
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    old = tree.head
    tree.add(
        "a0000001",
        "op.add_column('donors', sa.Column('nickname', sa.Text()))\n"
        "op.create_unique_constraint('donors_phone_key', 'donors', ['phone'])",
    )
    tenants = [
        a for o, a in map(str.split, fleet.operations()) if a.startswith("schema/") and not a.endswith("/shared")
    ]
    assert len(tenants) == 100
    databases = [a.rsplit("/", 1)[1] for a in tenants]
    twice = databases[36]
    fleet.execute("INSERT INTO donors (phone) VALUES ('canary-555'), ('canary-555')", database=twice)
    result = fleet.apply("--parallelism", "1", code=5)
    found = [fleet.rows("SELECT version_num FROM public.alembic_version", database=d)[0][0] for d in databases]
    assert found == ["a0000001"] * 36 + [old] * 64
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'nickname'"
    assert fleet.rows(columns, database=twice) == [(0,)]
    assert "23505" in result.out and "donors_phone_key" in result.out
    audit = repr(fleet.rows("SELECT l::text FROM tenantplan.audit_log l"))
    journal = repr(fleet.rows("SELECT o::text FROM tenantplan.operations o"))
    assert "23505" in audit and "canary" not in result.out + result.err + audit + journal
    statuses = fleet.rows(
        "SELECT status, count(*) FROM tenantplan.operations WHERE address = ANY(%s) AND action = 'migrate' GROUP BY 1",
        tenants,
    )
    assert dict(statuses) == {"done": 36, "failed": 1, "skipped": 63}
    fleet.execute("UPDATE donors SET phone = NULL", database=twice)
    assert len(fleet.operations()) == 64
    fleet.apply()
    fleet.converged()
