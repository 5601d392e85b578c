"""Random values that migrations write: named where databases are copies, another in each where the tree runs in each."""

from __future__ import annotations

import signal

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from conftest import FreshServer

TABLE = "op.execute('CREATE TABLE site_keys (key uuid NOT NULL)')"
KEY = "op.execute('INSERT INTO site_keys VALUES (gen_random_uuid())')"
OWN = "migrations/tenant, clone: false"
DEDICATED = "database: { mode: dedicated }"


@pytest.fixture
def tree(fleet: Fleet) -> TenantTree:
    found = tenant_tree(fleet)
    found.add("c0000001", TABLE)
    found.add(
        "c0000002",
        "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY site_i ON site_keys (key)')",
    )
    found.add("c0000003", KEY)
    return found  # fmt: skip


def keys(fleet: Fleet, *organizations: str) -> list[str]:
    return [
        str(key)
        for name in organizations
        for (key,) in fleet.rows("SELECT key FROM site_keys", database=fleet.database(name))
    ]


def left(fleet: Fleet) -> list[tuple[str, ...]]:
    return fleet.rows("SELECT datname FROM pg_database WHERE datname LIKE 'tp_new%%'", database="postgres")


def test_copies_share_it_and_the_plan_says_so(fleet: Fleet, tree: TenantTree) -> None:
    fleet.organization("msf", DEDICATED)
    fleet.organization("irc", DEDICATED)
    (note,) = [note for note in fleet.plan()["notes"] if note["rule"] == "made-up-value"]
    assert "public.site_keys (revision c0000003)" in note["message"] and "clone: false" in note["message"]
    said = fleet.run("migrations", "lint").out
    assert "warning made-up-value  public.site_keys" in said and "writes gen_random_uuid() into rows" in said
    fleet.apply()
    assert len(set(keys(fleet, "msf", "irc"))) == 1
    assert not [note for note in fleet.plan()["notes"] if note["rule"] == "made-up-value"]


def test_each_has_its_own_where_the_tree_runs_in_each(fleet: Fleet, tree: TenantTree) -> None:
    fleet.settings(migrations=OWN)
    for name in ("msf", "irc", "wfp"):
        fleet.organization(name, DEDICATED)
    plan = fleet.plan()
    made = [o for o in plan["operations"] if o["action"] == "create" and o["address"].startswith("database/")]
    assert "template0" in made[-1]["statements"][0] and "by running" in made[-1]["summary"]
    assert not [note for note in plan["notes"] if note["rule"] == "made-up-value"]
    assert "made-up-value" not in fleet.run("migrations", "lint").out
    fleet.apply()
    assert len(set(keys(fleet, "msf", "irc", "wfp"))) == 3
    fleet.converged()
    fleet.run("drift")
    fleet.run("plan", "--refresh", "deep", "--detailed-exitcode")
    fleet.execute("ALTER TABLE site_keys ADD COLUMN by_hand int", database=fleet.database("irc"))
    assert "by_hand" in fleet.run("drift", code=2).out
    fleet.execute("ALTER TABLE site_keys DROP COLUMN by_hand", database=fleet.database("irc"))
    tree.add("c0000004", "op.execute('CREATE TABLE later (id int)')")
    fleet.organization("who", DEDICATED)
    fleet.apply()
    fleet.converged()
    fleet.run("drift")
    assert len(set(keys(fleet, "msf", "irc", "wfp", "who"))) == 4
    assert left(fleet) == []


@pytest.mark.parametrize(
    "point", ["database-created", "step-committed:4", "step-committed:5", "database-filled", "effects-made"]
)
def test_a_kill_converges(point: str, fleet: Fleet, tree: TenantTree) -> None:
    fleet.organization("hub")
    fleet.apply()
    fleet.settings(migrations=OWN)
    fleet.organization("msf", DEDICATED)
    fleet.organization("irc", DEDICATED)
    killed = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point})
    assert killed.code == -signal.SIGKILL
    fleet.apply()
    fleet.converged()
    fleet.run("drift")
    assert len(set(keys(fleet, "msf", "irc"))) == 2
    assert left(fleet) == []


def test_what_fails_in_one_is_left_out_and_nothing_stays(fleet: Fleet, tree: TenantTree) -> None:
    tree.add(
        "c0000005",
        "op.execute(\"DO $$ BEGIN IF current_database() LIKE 'tp_new%%' THEN RAISE EXCEPTION 'not in here'; END IF; END $$\")",
    )
    fleet.settings(migrations=OWN)
    fleet.organization("msf", DEDICATED)
    failed = fleet.apply(code=5)
    assert "not in here" in failed.out + failed.err and "c0000005" in failed.out + failed.err
    assert left(fleet) == []
    fleet.settings(migrations="migrations/tenant")
    fleet.apply()
    fleet.converged()


@pytest.mark.once
def test_on_another_server_within_a_small_budget(fleet: Fleet, tree: TenantTree, fresh_server: FreshServer) -> None:
    """Whoever builds one needs one session beside that on the main database, whatever else is at work."""
    west = fresh_server()
    fleet.env["WEST_URL"] = west.url()
    fleet.settings(
        "servers: { west: { url: { env: WEST_URL }, maxConnections: 3 } }\nmaxConnections: 4\n", migrations=OWN
    )
    for number in range(6):
        place = "west" if number % 2 else "primary"
        fleet.organization(f"org{number}", f"database: {{ mode: dedicated, server: {place} }}")
    fleet.apply()
    fleet.converged()
    fleet.run("drift")
    assert len(set(keys(fleet, "org0", "org2", "org4"))) == 3
    with (
        west.superuser_connect(dbname=fleet.database("org1")) as one,
        west.superuser_connect(dbname=fleet.database("org3")) as two,
    ):
        assert (
            one.execute("SELECT key FROM site_keys").fetchall() != two.execute("SELECT key FROM site_keys").fetchall()
        )
