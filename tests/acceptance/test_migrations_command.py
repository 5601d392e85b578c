"""`migrations status|sql`: what is where, and SQL that does what apply does."""

from __future__ import annotations

import shutil

import pytest
from acceptance.harness import ROOT, Fleet

pytestmark = pytest.mark.once

BASE, HEAD = "3f2a7c10", "9c1b04aa"


def _own_tree(fleet: Fleet) -> None:
    shutil.copytree(ROOT / "migrations" / "tenant", fleet.root / "mig", ignore=shutil.ignore_patterns("__pycache__"))
    fleet.settings(migrations="mig")


def test_status_counts_databases_and_names_those_behind_unknown_and_edited(fleet: Fleet) -> None:
    _own_tree(fleet)
    for name in ("msf", "unicef", "acme"):
        fleet.organization(name, "database: { mode: dedicated }" if name != "acme" else "")
    trees = {t["tree"]: t for t in fleet.run("migrations", "status", "--json").json["trees"]}
    assert trees["tenant"]["head"] == HEAD
    assert not any(r["databases"] for r in trees["tenant"]["revisions"])
    fleet.apply()
    trees = {t["tree"]: t for t in fleet.run("migrations", "status", "--json").json["trees"]}
    assert trees["tenant"]["revisions"][-1]["databases"] == [fleet.database("msf"), fleet.database("unicef")]
    assert trees["main"]["revisions"][-1]["databases"] == [fleet.main_database]
    assert trees["shared"]["behind"] == trees["tenant"]["behind"] == {}

    (fleet.root / "mig" / "versions" / "aa00aa00_more.py").write_text(
        f'"""one more"""\nfrom alembic import op\nrevision = "aa00aa00"\ndown_revision = "{HEAD}"\n'
        'def upgrade():\n    op.execute("CREATE TABLE more (id int)")\n'
        'def downgrade():\n    op.execute("DROP TABLE more")\n'
    )
    trees = {t["tree"]: t for t in fleet.run("migrations", "status", "--json").json["trees"]}
    assert trees["tenant"]["behind"] == {HEAD: [fleet.database("msf"), fleet.database("unicef")]}
    assert trees["shared"]["behind"] == {HEAD: [fleet.main_database]}
    fleet.apply()
    file = fleet.root / "mig" / "versions" / "aa00aa00_more.py"
    file.write_text(file.read_text().replace("id int", "id bigint"))
    text = fleet.run("migrations", "status").out
    assert "was edited after revision aa00aa00 was applied" in text
    file.unlink()
    trees = {t["tree"]: t for t in fleet.run("migrations", "status", "--json").json["trees"]}
    assert trees["tenant"]["unknown"] == {"aa00aa00": [fleet.database("msf"), fleet.database("unicef")]}
    assert "which this tree does not have" in fleet.run("migrations", "status").out


def test_printed_sql_takes_a_database_up_and_down(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    database = fleet.database("msf")
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    before = fleet.rows(tables, database=database)
    down = fleet.run("migrations", "sql", "--from", "head", "--to", "base").out
    assert down.index(f"-- downgrade {HEAD}") < down.index(f"-- downgrade {BASE}")
    fleet.execute(down, database=database)
    assert fleet.rows(tables, database=database) == [(1,)]  # the version table stays
    up = fleet.run("migrations", "sql").out
    assert up.index(f"-- upgrade {BASE}") < up.index(f"-- upgrade {HEAD}")
    fleet.execute(up, database=database)
    assert fleet.rows(tables, database=database) == before
    assert fleet.rows("SELECT version_num FROM public.alembic_version", database=database) == [(HEAD,)]


def test_sql_of_a_part_and_of_the_other_trees(fleet: Fleet) -> None:
    part = fleet.run("migrations", "sql", "--from", BASE[:4], "--json").json
    assert part["from"] == BASE
    assert [step["revision"] for step in part["steps"]][-1] == HEAD
    assert BASE not in [step["revision"] for step in part["steps"]]
    shared = fleet.run("migrations", "sql", "--tree", "shared").out
    assert "alembic_version_tenant" in shared
    assert "FORCE ROW LEVEL SECURITY" in shared
    assert "CREATE SCHEMA tenantplan" in fleet.run("migrations", "sql", "--tree", "main").out
    assert "nothing to do" in fleet.run("migrations", "sql", "--from", "head").out
    assert "has no revision 12345" in fleet.run("migrations", "sql", "--to", "12345", code=1).err


def test_a_new_revision_follows_the_head(fleet: Fleet) -> None:
    """It is empty, applies as it is, and what is filled in reaches every database."""
    _own_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    said = fleet.run("migrations", "new", "donors get a nickname: 'x'").out
    (made,) = (fleet.root / "mig" / "versions").glob("*donors_get_a_nickname*.py")
    assert str(made) in said and f"after {HEAD}" in said
    assert f"down_revision = '{HEAD}'" in made.read_text()
    text = made.read_text().replace("    pass", "    op.execute('ALTER TABLE donors ADD COLUMN nickname text')", 1)
    made.write_text(text.replace("    pass", "    op.execute('ALTER TABLE donors DROP COLUMN nickname')", 1))
    assert "ADD COLUMN nickname text" in fleet.run("migrations", "sql", "--from", HEAD).out
    fleet.apply()
    assert fleet.rows("SELECT nickname FROM donors", database=fleet.database("msf")) == []
    fleet.converged()


@pytest.mark.parametrize("message", ["", "two\nlines", 'the end """', "back \\", "x" * 201])
def test_what_is_no_message_is_refused(fleet: Fleet, message: str) -> None:
    _own_tree(fleet)
    before = sorted((fleet.root / "mig" / "versions").iterdir())
    assert "this cannot be the message of a revision" in fleet.run("migrations", "new", message, code=1).err
    assert sorted((fleet.root / "mig" / "versions").iterdir()) == before


def test_the_main_tree_of_the_package_gets_no_revision(fleet: Fleet) -> None:
    assert "tenantplan's own" in fleet.run("migrations", "new", "more", "--tree", "main", code=1).err
