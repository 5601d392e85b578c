"""A database that goes back to a revision, stays there, and is migrated forward when its pin is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from servers import TestServer

DEDICATED = "database: { mode: dedicated } # ours"
PINNED = "database: { mode: dedicated, revision: %s } # ours"
COLUMN = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'donors' AND column_name = 'nickname'"


@pytest.fixture(scope="module")
def pinnable(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[tuple[Fleet, TenantTree]]:
    """Two databases at the newest revision, which has a way back, and an organization in the shared tables."""
    fleet = Fleet(tmp_path_factory.mktemp("pin"), server)
    tree = tenant_tree(fleet)
    back = "op.drop_column('donors', 'nickname')"
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))", back=back)
    for name in ("msf", "acme"):
        fleet.organization(name, DEDICATED)
    fleet.organization("small")
    fleet.apply()
    yield fleet, tree
    fleet.clean()


def revision(fleet: Fleet, name: str) -> str:
    return str(fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database(name))[0][0])


def test_there_and_back_again(pinnable: tuple[Fleet, TenantTree]) -> None:
    fleet, _ = pinnable
    schema = f"schema/primary/{fleet.database('msf')}"
    before = "9c1b04aa"
    document = fleet.root / "tenants" / "organization-msf.yaml"
    shown = fleet.run("migrations", "revert", "msf", "--to", "9c1b")
    assert f"+  {PINNED % before}" in shown.out
    assert f"-  {DEDICATED}" in shown.out
    assert document.read_text().endswith(PINNED % before)
    assert fleet.run("migrations", "revert", "msf", "--to", before).out == ""  # it says so already

    plan = fleet.plan()
    (step,) = [o for o in plan["operations"] if o["address"] == schema]
    assert (step["action"], step["class"], step["revisions"]) == ("migrate", "destructive", ["aa01"])
    assert (step["before"]["revision"], step["after"]["revision"]) == ("aa01", before)
    assert {o["address"] for o in plan["operations"]} == {schema, "organization/msf"}
    assert ("organization/msf", "pinned") in {(n["address"], n["rule"]) for n in plan["notes"]}
    assert f"take back aa01 -> {before}: 1 revision" in fleet.run("plan", code=3).out
    fleet.apply("--allow-destructive", "1")
    assert (revision(fleet, "msf"), revision(fleet, "acme")) == (before, "aa01")
    assert fleet.rows(COLUMN, database=fleet.database("msf")) == [(0,)]
    fleet.converged()
    assert "No drift" in fleet.run("drift").out

    found = {o["name"]: o for o in fleet.run("status", "--json").json["organizations"]}
    assert (found["msf"]["pinned"], found["msf"]["behind"], found["acme"]["pinned"]) == (before, 1, None)
    assert f"stays at {before}: database.revision" in fleet.run("status").out
    gate = fleet.run("status", "--max-skew", "0", code=3).err
    assert f"organization/msf: 1 revision behind, pinned by database.revision ({before})" in gate
    assert f"kept at {before} by database.revision: organization/msf" in fleet.run("migrations", "status").out
    assert fleet.run("migrations", "status", "--json").json["trees"][2]["pinned"] == {"msf": before}

    document.write_text(document.read_text().replace(PINNED % before, DEDICATED))
    assert f"migrate {schema}" in fleet.operations()
    fleet.apply()
    assert revision(fleet, "msf") == "aa01"
    assert fleet.rows(COLUMN, database=fleet.database("msf")) == [(1,)]
    fleet.converged()


def test_a_newer_revision_passes_by_who_is_pinned(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    for name in ("msf", "acme"):
        fleet.organization(name, DEDICATED)
    fleet.apply()
    before = tree.head
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))")
    said = fleet.run("migrations", "revert", "msf", "--to", before).err
    assert "No way back from aa01" in said
    fleet.apply()
    assert (revision(fleet, "msf"), revision(fleet, "acme")) == (before, "aa01")
    fleet.converged()
    fleet.run("migrations", "revert", "acme", "--to", before)
    (blocker,) = fleet.plan()["blockers"]
    assert blocker["rule"] == "migration"
    assert "aa01 has no way back" in blocker["message"]
    fleet.apply(code=3)


@pytest.mark.once
def test_what_cannot_be_pinned_is_refused(pinnable: tuple[Fleet, TenantTree]) -> None:
    fleet, _ = pinnable
    kept = {path: path.read_text() for path in (fleet.root / "tenants").iterdir()}
    err = fleet.run("migrations", "revert", "msf", "small", "--to", "9c1b04aa", code=1).err
    assert "small has no database of its own" in err
    assert "organization-small.yaml" in err
    assert "Organization not found: msff" in fleet.run("migrations", "revert", "msff", "--to", "9c1b", code=1).err
    assert "has no revision ffff" in fleet.run("migrations", "revert", "msf", "--to", "ffff", code=1).err
    assert "without any revision" in fleet.run("migrations", "revert", "msf", "--to", "base", code=1).err
    assert {path: path.read_text() for path in (fleet.root / "tenants").iterdir()} == kept
    try:
        fleet.organization("small", "database: { revision: 9c1b04aa }")
        for command in ("validate", "plan"):
            assert "the data is in the shared tables" in fleet.run(command, code=1).err
        fleet.organization("small", "database: { mode: dedicated, revision: ffff }")
        for command in ("validate", "plan"):
            err = fleet.run(command, code=1).err
            assert "organization-small.yaml" in err
            assert "ffff is not in" in err
        fleet.organization("small", "database: { mode: dedicated, revision: 9c1b04aa }")
        assert ("organization/small", "pinned") in {(b["address"], b["rule"]) for b in fleet.plan()["blockers"]}
        # Where nobody has a database of its own, a pin waits as server and name do.
        fleet.settings("dedicatedDatabases: false", migrations="migrations/tenant")
        fleet.run("validate")
    finally:
        for path, text in kept.items():
            path.write_text(text)
        fleet.settings("guard: { maxDeletes: 0 }", migrations="migrations/tenant")
    fleet.converged()


def test_a_rollout_that_failed_brings_them_forward_again(fleet: Fleet) -> None:
    """onFailure: rollback takes back what the plan did, a way back included."""
    tree = tenant_tree(fleet)
    back = "op.execute(\"SELECT 1 / count(*) FROM donors\")\nop.drop_column('donors', 'nickname')"
    before = tree.head
    tree.add("aa01", "op.add_column('donors', sa.Column('nickname', sa.Text()))", back=back)
    for name in ("acme", "msf"):
        fleet.organization(name, DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('x@x.example')", database=fleet.database("acme"))
    fleet.settings("rollout: { onFailure: rollback, parallelism: 1 }", migrations="migrations/tenant")
    fleet.run("migrations", "revert", "acme", "msf", "--to", before)
    fleet.apply("--allow-destructive", "1", code=5)
    assert (revision(fleet, "acme"), revision(fleet, "msf")) == ("aa01", "aa01")
    assert fleet.rows(COLUMN, database=fleet.database("acme")) == [(1,)]
