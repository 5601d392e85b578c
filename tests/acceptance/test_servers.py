"""Databases on several servers at once, and the names they get there."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from conftest import FreshServer
from servers import TestServer

pytestmark = pytest.mark.once


def on(server: str) -> str:
    return f"database: {{ mode: dedicated, server: {server} }}"


def names(fleet: Fleet, other: TestServer) -> list[str]:
    with other.superuser_connect() as connection:
        like = f"o{fleet.id}\\_%"
        found = connection.execute("SELECT datname::text FROM pg_database WHERE datname LIKE %s", [like]).fetchall()
    return sorted(name for (name,) in found)


def test_two_servers_and_one_of_them_down(fleet: Fleet, fresh_server: FreshServer) -> None:
    """Databases on both; with one down it is named, and the others are planned and applied."""
    west = fresh_server()
    fleet.settings("servers: { west: { url: { env: WEST_URL }, maxConnections: 8 } }")
    fleet.env["WEST_URL"] = west.url()
    fleet.organization("here", on("primary"))
    fleet.organization("there", on("west"))
    fleet.document("Tenant", "paris", "{ organization: there, displayName: P }")
    fleet.apply()
    fleet.converged()
    assert names(fleet, west) == [fleet.database("there")]
    west.stop()
    fleet.organization("here", on("primary") + "\nfeatureFlags: { A: true }")
    fleet.organization("there", on("west") + "\nfeatureFlags: { A: true }")
    fleet.organization("new-there", on("west"))
    fleet.document("Tenant", "paris", "{ organization: there, displayName: Paris }")
    plan = fleet.plan()
    assert [o["address"] for o in plan["operations"]] == ["organization/here"]
    (unreachable,) = [u for u in plan["unreachable"] if u["address"] == "server/west"]
    assert f"127.0.0.1:{west.port}" in unreachable["message"]
    assert plan["orphans"] == []
    assert f"127.0.0.1:{west.port}" in fleet.apply(code=5).out
    assert fleet.rows("SELECT slug FROM organizations WHERE feature_flags = '{\"A\": true}'") == [("here",)]
    west.start()
    fleet.apply()
    fleet.converged()
    assert names(fleet, west) == sorted([fleet.database("there"), fleet.database("new-there")])


def test_a_life_on_another_server(fleet: Fleet, fresh_server: FreshServer) -> None:
    """Suspend, rename, delete, restore and purge work there as they do here."""
    west = fresh_server()
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }")
    fleet.env["WEST_URL"] = west.url()
    fleet.document("Tier", "pro", "displayName: Pro")
    body = on("west") + "\nprotect: false\n"
    fleet.organization("there", body)
    fleet.apply()
    with west.superuser_connect(fleet.database("there")) as connection:
        connection.execute("INSERT INTO donors (email) VALUES ('d@x.example')")
    fleet.organization("there", body + "state: suspended")
    fleet.apply()
    fleet.converged()
    fleet.remove("Organization", "there")
    fleet.organization("yonder", body, renamedFrom="there")
    fleet.apply()
    fleet.converged()
    fleet.organization("yonder", body + "state: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    assert names(fleet, west) == []
    fleet.organization("yonder", body)
    fleet.organization("yonder", body, restore=fleet.restorable("organization/yonder"))
    fleet.apply()
    fleet.converged()
    with west.superuser_connect(fleet.database("yonder")) as connection:
        assert connection.execute("SELECT email FROM donors").fetchall() == [("d@x.example",)]
    fleet.organization("yonder", body + "state: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }\nguard: { graceDays: 0 }")
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    with west.superuser_connect() as connection:
        left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'tp_deleted%' OR datname LIKE 'tp_new%'"
        assert connection.execute(left).fetchall() == [(0,)]


def test_two_names_for_one_server_are_refused(fleet: Fleet) -> None:
    """Each of its databases would be there twice, and be deleted twice."""
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }")
    fleet.env["WEST_URL"] = fleet.server.url()
    fleet.organization("there", on("west"))
    error = fleet.apply(code=1).err
    assert "primary" in error and "west" in error and "same PostgreSQL server" in error
    assert fleet.databases() == [] or fleet.main_database not in fleet.databases()


def test_a_missing_url_holds_its_server_back(fleet: Fleet) -> None:
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }")
    fleet.organization("here")
    fleet.organization("there", on("west"))
    (unreachable,) = [u for u in fleet.plan()["unreachable"] if u["address"] == "server/west"]
    assert "WEST_URL" in unreachable["message"]
    fleet.apply(code=5)
    assert fleet.rows("SELECT slug FROM organizations") == [("here",)]


def test_prefix_and_base_url_from_the_environment(fleet: Fleet, fresh_server: FreshServer) -> None:
    """ORG_DB_PREFIX names the databases, ORG_DB_BASE_URL is where they go."""
    base = fresh_server()
    main = f"main: {{ url: {{ env: TENANTPLAN_MAIN_URL }}, database: {fleet.main_database} }}"
    spec = f"spec:\n  {main}\n  servers: {{ base: {{ url: {{ env: ORG_DB_BASE_URL }} }} }}\n"
    migrations = "  migrations: { tenant: MIGRATIONS }\n".replace("MIGRATIONS", _tenant_tree())
    head = f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: {fleet.name} }}\n"
    fleet.write("tenantplan.yaml", head + spec + migrations)
    fleet.env |= {"ORG_DB_PREFIX": f"o{fleet.id}_env_", "ORG_DB_BASE_URL": base.url()}
    fleet.organization("croix-rouge", on("base"))
    fleet.apply()
    assert names(fleet, base) == [f"o{fleet.id}_env_croix_rouge"]
    assert fleet.rows("SELECT database_server, database_name FROM organizations") == [
        ("base", f"o{fleet.id}_env_croix_rouge")
    ]
    fleet.env["ORG_DB_PREFIX"] = 'x"; DROP DATABASE y'
    assert "ORG_DB_PREFIX" in fleet.run("plan", code=1).err


def test_pools_from_the_environment(fleet: Fleet) -> None:
    """ORG_DB_POOL_SIZE and ORG_DB_MAX_OVERFLOW are the defaults of what no document and no tier says."""
    fleet.document("Tier", "small", "displayName: Small\ndefaults: { database: { pool: { size: 3 } } }")
    fleet.organization("plain")
    fleet.organization("says", "database: { pool: { size: 10, maxOverflow: 1 } }")
    fleet.organization("tiered", "tier: small")
    fleet.env |= {"ORG_DB_POOL_SIZE": "7", "ORG_DB_MAX_OVERFLOW": "0"}
    fleet.apply()
    pools = "SELECT slug, pool_size, pool_max_overflow FROM organizations ORDER BY 1"
    assert fleet.rows(pools) == [("plain", 7, 0), ("says", 10, 1), ("tiered", 3, 0)]
    fleet.converged()
    fleet.env |= {"ORG_DB_POOL_SIZE": "", "ORG_DB_MAX_OVERFLOW": ""}
    fleet.apply()
    assert fleet.rows(pools) == [("plain", 10, 20), ("says", 10, 1), ("tiered", 3, 20)]
    for name, value in (("ORG_DB_POOL_SIZE", "0"), ("ORG_DB_POOL_SIZE", "many"), ("ORG_DB_MAX_OVERFLOW", "1001")):
        err = fleet.run("plan", code=1, env={name: value}).err
        assert name in err and "0 and 1000" in err.replace("1 and 1000", "0 and 1000"), err


def test_the_fleet_file_names_the_prefix(fleet: Fleet) -> None:
    """naming.databasePrefix wins over the environment; "-" becomes "_"."""
    fleet.env["ORG_DB_PREFIX"] = "elsewhere_"
    fleet.organization("croix-rouge", "database: { mode: dedicated }")
    fleet.apply()
    assert fleet.rows("SELECT database_name FROM organizations") == [(f"o{fleet.id}_croix_rouge",)]


def _tenant_tree() -> str:
    from acceptance.harness import ROOT

    return str(ROOT / "migrations" / "tenant")
