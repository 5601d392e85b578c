"""A tenant tree that knows of no tenancy is not run in the main database where the fleet file says so."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once

ENV = "from alembic import context\n"
USERS = """
op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('mail', sa.Text()))
op.create_table('organizations', sa.Column('id', sa.Integer(), primary_key=True))
"""


@pytest.fixture
def foreign(fleet: Fleet) -> Fleet:
    """A fleet whose tree makes tables that the main database has, too."""
    tree = tenant_tree(fleet)
    for old in tree.folder.rglob("*.py"):
        old.unlink()
    (tree.folder / "env.py").write_text(ENV)
    first = tree.add("f0000001", USERS)
    first.write_text(first.read_text().replace(f"down_revision = '{first.stem}'", "down_revision = None"))
    text = first.read_text()
    first.write_text(
        "\n".join("down_revision = None" if line.startswith("down_revision") else line for line in text.splitlines())
    )
    fleet.organization("own", "database: { mode: dedicated }")
    fleet.organization("rows")
    return fleet


def test_a_tree_with_tables_of_the_same_names_runs_where_nobody_shares(foreign: Fleet) -> None:
    said = foreign.run("validate").out
    assert "nothing keeps the organizations in them apart" in " ".join(said.split())
    notes = [note["message"] for note in foreign.plan()["notes"]]
    assert any("nothing keeps the organizations in them apart" in note for note in notes)
    out = " ".join(foreign.apply(code=5).out.split())
    assert "42P07" in out and "say shared: none in the fleet file" in out
    foreign.settings("shared: none", migrations="migrations/tenant")
    assert "Note:" not in foreign.run("validate").out
    foreign.apply()
    foreign.converged()
    assert foreign.run("status", "--max-skew", "0").out.count("None") == 0
    foreign.execute("INSERT INTO users (id, mail) VALUES (1, 'a')", database=foreign.database("own"))
    foreign.run("drift")
    foreign.run("doctor", code=None)
    assert foreign.rows("SELECT to_regclass('alembic_version_tenant')::text") == [(None,)]
    assert foreign.rows("SELECT count(*) FROM organizations") == [(2,)]


def test_shared_tables_that_are_there_stay_as_they_are(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("rows")
    fleet.apply()
    before = fleet.rows("SELECT version_num FROM alembic_version_tenant")
    fleet.settings("shared: none", migrations="migrations/tenant")
    fleet.converged()
    tree.add("f0000001", "op.execute('ALTER TABLE donors ADD x int')")
    fleet.converged()
    assert fleet.rows("SELECT version_num FROM alembic_version_tenant") == before
    fleet.run("drift")
    fleet.settings(" ", migrations="migrations/tenant")
    fleet.apply()
    assert fleet.rows("SELECT version_num FROM alembic_version_tenant") == [("f0000001",)]


def test_a_bound_login_is_refused_where_there_are_no_shared_tables(fleet: Fleet) -> None:
    tenant_tree(fleet)
    fleet.settings("shared: none", migrations="migrations/tenant")
    fleet.organization("rows", "database: { login: true }")
    (blocker,) = fleet.plan()["blockers"]
    assert "login that is bound to its organization" in blocker["message"]
    fleet.settings(" ", migrations="migrations/tenant")
    fleet.apply()
    fleet.settings("shared: none", migrations="migrations/tenant")  # the tables stay
    fleet.organization("more", "database: { login: true }")
    fleet.apply()
    fleet.converged()
