"""Extensions that a tree makes: named by validate, and what a server lacks by plan and doctor, before anything is changed."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.own_database import own_database

# 18 from the wheel has no contrib, as the embedded server; 15 is Debian's, and has it.
DEDICATED = "database: { mode: dedicated }"


def add(fleet: Fleet, number: int, script: str) -> None:
    fleet.write(f"m/{1700000000000 + number}-Step.sql", script)


@pytest.fixture
def tree(fleet: Fleet) -> Fleet:
    add(fleet, 1, "CREATE TABLE a (id int);\n")
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="m")
    fleet.organization("a", DEDICATED)
    return fleet


@pytest.mark.once
def test_a_server_without_it_blocks_the_plan(tree: Fleet) -> None:
    tree.apply()
    add(tree, 2, "CREATE TABLE b (id int);\n")
    add(tree, 3, "CREATE EXTENSION IF NOT EXISTS citext;\n")
    assert "Extension citext: revision Step1700000000003 makes it." in tree.run("validate").out
    assert tree.run("validate", "--json").json["extensions"] == [
        {"name": "citext", "revision": "Step1700000000003", "certain": True}
    ]
    tree.organization("b", DEDICATED)
    (blocker,) = tree.plan()["blockers"]
    assert (blocker["rule"], blocker["address"]) == ("extension", "server/primary")
    assert "127.0.0.1" in blocker["message"]
    assert "does not have it: install it" in blocker["message"]
    tree.apply(code=3)
    assert tree.rows("SELECT to_regclass('b')", database=tree.database("a")) == [(None,)]
    said = tree.run("doctor", "--skip-rehearsal", code=None).out
    assert "extension citext" in said
    (tree.root / "m" / "1700000000003-Step.sql").unlink()
    tree.apply()
    tree.converged()


@pytest.mark.once
def test_pgcrypto_that_nothing_uses(tree: Fleet) -> None:
    add(tree, 2, "CREATE EXTENSION pgcrypto;\nCREATE TABLE c (id uuid DEFAULT gen_random_uuid());\n")
    assert "since 13" in tree.run("validate").out
    (blocker,) = tree.plan()["blockers"]
    assert "gen_random_uuid(), which PostgreSQL has by itself since 13" in blocker["message"]


@pytest.mark.once
def test_a_superusers_extension(tree: Fleet) -> None:
    """plpgsql stands for a trusted one, vector for one that its control file keeps to superusers, where it does."""
    asked = "SELECT bool_or(trusted OR NOT superuser) FROM pg_available_extension_versions WHERE name = 'vector'"
    trusted = tree.rows(asked, database="postgres")
    if trusted != [(False,)]:
        pytest.skip("vector is trusted here")
    tree.apply()
    add(tree, 2, "CREATE EXTENSION IF NOT EXISTS vector;\n")
    (blocker,) = tree.plan()["blockers"]
    assert "only a superuser may make it" in blocker["message"]
    assert "CREATE EXTENSION in that database" in blocker["message"]
    tree.execute("CREATE EXTENSION vector", database=tree.database("a"))
    assert tree.plan()["blockers"] == []
    tree.organization("b", DEDICATED)
    (blocker,) = tree.plan()["blockers"]
    assert "trusted = true" in blocker["message"]


@pytest.mark.once
def test_a_brought_database_waits_alone(fleet: Fleet) -> None:
    add(fleet, 1, "CREATE TABLE a (id int);\n")
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="m")
    with own_database(fleet, "THEIRS") as database:
        fleet.organization("b", "database: { mode: dedicated, url: { env: THEIRS } }")
        fleet.apply()
        fleet.converged()
        add(fleet, 2, "CREATE EXTENSION IF NOT EXISTS vector;\n")
        fleet.organization("c")
        plan = fleet.plan()
        assert plan["blockers"] == []
        (waits,) = plan["unreachable"]
        assert waits["address"] == "organization/b"
        assert "only a superuser may make it" in waits["message"]
        said = fleet.run("doctor", "--skip-rehearsal", code=None).out
        assert [line for line in said.splitlines() if "organization/b" in line and "extension vector" in line]
        fleet.apply(code=5)
        assert fleet.rows("SELECT slug FROM organizations WHERE slug = 'c'")
        fleet.execute("CREATE EXTENSION vector", database=database)
        fleet.apply()
        fleet.converged()


@pytest.mark.once
def test_a_program_that_may_make_one_is_a_note(fleet: Fleet) -> None:
    fleet.write("t/env.py", "")
    fleet.write(
        "t/versions/a1.py",
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'a1'\ndown_revision = None\n"
        "def upgrade():\n    if op.get_bind().execute(sa.text('SELECT 1')).scalar() == 2:\n"
        "        op.execute('CREATE EXTENSION hstore')\ndef downgrade():\n    pass\n",
    )
    fleet.settings("guard: { maxChangedPercent: 100 }\nshared: none", migrations="t")
    fleet.organization("a", DEDICATED)
    assert "Extension hstore: revision a1 may make it." in fleet.run("validate").out
    plan = fleet.plan()
    assert plan["blockers"] == []
    assert [n["message"] for n in plan["notes"] if n["rule"] == "extension"]
    fleet.apply()
    fleet.converged()


def test_a_trusted_extension_is_made_by_the_migrating_role(tree: Fleet) -> None:
    if not tree.rows("SELECT FROM pg_available_extensions WHERE name = 'citext'", database="postgres"):
        pytest.skip("this server has no contrib")
    add(
        tree,
        2,
        'CREATE EXTENSION citext;\nCREATE EXTENSION IF NOT EXISTS "uuid-ossp";\nCREATE TABLE c (name citext);\n',
    )
    assert tree.plan()["blockers"] == []
    tree.apply()
    tree.converged()
    assert "citext" in next(line for line in tree.run("doctor", code=None).out.splitlines() if "extensions" in line)
