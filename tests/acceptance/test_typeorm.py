"""A fleet whose tenants have a tree of TypeORM's: the same plan, the same apply, and TypeORM's own table."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.own_database import own_database

pytestmark = pytest.mark.once

DEDICATED = "database: { mode: dedicated }"
TABLE = (
    'CREATE TABLE "migrations" ("id" SERIAL NOT NULL, "timestamp" bigint NOT NULL, "name" character varying NOT NULL,'
    ' CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY ("id"))'
)


def a_source(name: str, *up: str, down: str = "", members: str = "") -> str:
    """As `typeorm migration:generate` writes it."""
    sent = "\n".join(f"        await queryRunner.query(`{each}`);" for each in up)
    back = f"\n        await queryRunner.query(`{down}`);" if down else ""
    return f"""\
import {{ MigrationInterface, QueryRunner }} from "typeorm";

export class {name} implements MigrationInterface {{
    name = '{name}'{members}

    public async up(queryRunner: QueryRunner): Promise<void> {{
{sent}
    }}

    public async down(queryRunner: QueryRunner): Promise<void> {{{back}
    }}

}}
"""


class Tree:
    """A TypeORM folder in the fleet's repository, with one migration."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.add(
            "1700000000001-Init.ts",
            a_source(
                "Init1700000000001",
                'CREATE TABLE "donor" ("id" SERIAL NOT NULL, "phone" text)',
                down='DROP TABLE "donor"',
            ),
        )
        fleet.settings("guard: { maxChangedPercent: 100 }", migrations="src/migrations")

    def add(self, name: str, text: str) -> Path:
        return self.fleet.write(f"src/migrations/{name}", text)


@pytest.fixture
def tree(fleet: Fleet) -> Tree:
    return Tree(fleet)


def noted(fleet: Fleet, name: str) -> list[tuple[int, int, str]]:
    return fleet.rows("SELECT id, timestamp, name FROM migrations ORDER BY id", database=fleet.database(name))


def test_databases_are_made_migrated_and_compared(fleet: Fleet, tree: Tree) -> None:
    """What stands in the table is what TypeORM would have written."""
    fleet.organization("old", DEDICATED)
    fleet.organization("rows")
    fleet.run("validate", "--no-python")
    fleet.apply()
    fleet.converged()
    tree.add("1700000000002-add-nick.sql", "ALTER TABLE donor ADD COLUMN nick text DEFAULT '100% :x \\';\n")
    tree.add(
        "1700000000003-Index.ts",
        a_source(
            "Index1700000000003",
            'CREATE INDEX CONCURRENTLY "donor_phone" ON "donor" ("phone")',
            members="\n    transaction = false",
        ),
    )
    fleet.organization("new", DEDICATED)
    (step,) = [o for o in fleet.plan()["operations"] if o["action"] == "migrate"]
    assert [s["kind"] for s in step["steps"]] == ["transaction", "outside", "transaction"]
    fleet.apply()
    for name in ("old", "new"):
        assert noted(fleet, name) == [
            (1, 1700000000001, "Init1700000000001"),
            (2, 1700000000002, "AddNick1700000000002"),
            (3, 1700000000003, "Index1700000000003"),
        ]
        assert fleet.rows("INSERT INTO donor DEFAULT VALUES RETURNING nick", database=fleet.database(name)) == [
            ("100% :x \\",)
        ]
    fleet.converged()
    fleet.run("drift")
    assert "Index1700000000003" in fleet.run("status").out
    assert "Index1700000000003" in fleet.run("migrations", "status").out


def test_the_table_is_typeorms(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("old", DEDICATED)
    fleet.apply()
    shape = (
        "SELECT attname::text || ' ' || format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = '{}'::regclass AND attnum > 0 ORDER BY attnum"
    )
    keys = "SELECT conname::text FROM pg_constraint WHERE contype = 'p' AND conrelid = '{}'::regclass"
    fleet.execute(TABLE.replace('"migrations"', "theirs").replace("PK_8c", "PK_theirs"), database=fleet.database("old"))
    (ours, theirs) = (fleet.rows(shape.format(t), database=fleet.database("old")) for t in ("migrations", "theirs"))
    assert ours == theirs
    assert fleet.rows(keys.format("migrations"), database=fleet.database("old")) == [
        ("PK_8c82d7f526340ab734260ea46be",)
    ]


def test_after_typeorm_and_before_it(fleet: Fleet, tree: Tree) -> None:
    """TypeORM migrates a database that tenantplan made: plan sees it; what it leaves out of order is refused with the way out."""
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("1700000000002-More.sql", "CREATE TABLE more (id int);\n")
    tree.add("1700000000003-Last.sql", "CREATE TABLE last (id int);\n")
    database = fleet.database("a")
    fleet.execute("CREATE TABLE more (id int)", database=database)
    fleet.execute(
        "INSERT INTO migrations (timestamp, name) VALUES (1700000000002, 'More1700000000002')", database=database
    )
    fleet.run("drift", "--repair", "--out", "plan.json", code=2)
    fleet.run("apply", "plan.json", "--auto-approve")
    fleet.apply()
    fleet.converged()
    assert [name for _, _, name in noted(fleet, "a")] == ["Init1700000000001", "More1700000000002", "Last1700000000003"]
    fleet.execute("DELETE FROM migrations WHERE id = 2", database=database)
    tree.add("1700000000004-End.sql", "CREATE TABLE the_end (id int);\n")
    said = fleet.apply(code=5).out
    assert "More1700000000002 is not applied, but Last1700000000003" in said
    assert "typeorm migration:run" in said


def test_a_running_typeorm_is_waited_for(fleet: Fleet, tree: Tree) -> None:
    fleet.settings("guard: { maxChangedPercent: 100 }\nrollout: { lockTimeoutSeconds: 1 }", migrations="src/migrations")
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("1700000000002-More.sql", "CREATE TABLE more (id int);\n")
    with fleet.connect(fleet.database("a")) as typeorm:
        typeorm.execute("BEGIN; INSERT INTO migrations (timestamp, name) VALUES (1, 'x')")
        assert "lock" in fleet.apply(code=5).out
        typeorm.execute("ROLLBACK")
    fleet.apply()
    fleet.converged()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE migrations (id int, migration text, batch int)", "public.migrations is not TypeORM's"),
        (TABLE.replace('"migrations"', '"typeorm_history"'), "RENAME TO migrations"),
        ("CREATE SCHEMA app; " + TABLE.replace('"migrations"', "app.migrations"), "SET SCHEMA public"),
    ],
    ids=["another tool's", "another name", "another schema"],
)
def test_a_table_that_is_not_where_it_ought_to_be(fleet: Fleet, tree: Tree, made: str, said: str) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    fleet.execute(f"DROP TABLE migrations; {made}", database=fleet.database("a"))
    tree.add("1700000000002-More.sql", "CREATE TABLE more (id int);\n")
    assert said in fleet.apply(code=4).out


def test_a_table_of_the_application_that_looks_like_it(fleet: Fleet, tree: Tree) -> None:
    with own_database(fleet, "THEIRS") as database:
        with fleet.server.connect(dbname=database) as theirs:
            theirs.execute("CREATE TABLE events (id int, timestamp bigint, name varchar)")
        fleet.organization("a", "database: { mode: dedicated, url: { env: THEIRS } }")
        fleet.apply()
        fleet.converged()


def test_edits_preflights_and_the_way_back(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    fleet.execute("INSERT INTO donor (phone) VALUES (NULL)", database=fleet.database("a"))
    tree.add("1700000000002-Strict.sql", "ALTER TABLE donor ALTER phone SET NOT NULL;\n")
    tree.add("1700000000002-Strict.down.sql", "ALTER TABLE donor ALTER phone DROP NOT NULL;\n")
    tree.add("1700000000002-Strict.preflight.sql", "SELECT 1 FROM donor WHERE phone IS NULL;\n")
    assert "returns rows: SELECT 1 FROM donor" in fleet.apply(code=3).err
    fleet.execute("DELETE FROM donor", database=fleet.database("a"))
    fleet.apply()
    assert "DROP NOT NULL" in fleet.run("migrations", "sql", "--from", "head", "--to", "Init").out
    fleet.run("migrations", "revert", "a", "--to", "Init")
    fleet.apply()
    assert [name for _, _, name in noted(fleet, "a")] == ["Init1700000000001"]
    path = fleet.root / "src" / "migrations" / "1700000000001-Init.ts"
    path.write_text(path.read_text().replace('"phone" text', '"phone" citext'))
    blockers = fleet.plan()["blockers"]
    assert ("edited-revision", "migrations/tenant/Init1700000000001") in [(b["rule"], b["address"]) for b in blockers]


def test_a_program_is_refused_until_it_is_exported(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    tree.add("1700000000002-Loop.ts", a_source("Loop1700000000002", "SELECT ${this.x}"))
    said = fleet.run("validate", code=1).err
    assert "1700000000002-Loop.ts:7" in said
    assert "1700000000002-Loop.sql" in said
    tree.add("1700000000002-Loop.sql", "SELECT 1;\n")
    fleet.run("validate")
    fleet.apply()
    fleet.converged()


def test_new_and_lint(fleet: Fleet, tree: Tree) -> None:
    """A class as `typeorm migration:create` writes it, in a tree of classes; a script in a tree of scripts."""
    fleet.organization("a", DEDICATED)
    fleet.run("migrations", "new", "Add pets")
    (made,) = [path for path in (fleet.root / "src" / "migrations").iterdir() if "AddPets" in path.name]
    assert made.suffix == ".ts"
    assert f"export class AddPets{made.name[:13]} implements MigrationInterface {{" in made.read_text()
    fleet.run("validate")
    text = made.read_text().replace(
        "Promise<void> {", "Promise<void> {\n await queryRunner.query(`DROP TABLE donor`)", 1
    )
    made.write_text(text)
    assert "drop-table" in fleet.run("migrations", "lint", "--no-python", "--strict", code=3).out
    made.write_text("// tenantplan: allow drop-table nobody reads it\n" + text)
    said = fleet.run("migrations", "lint", "--no-python").out
    assert "nobody reads it" in said
    assert "empty-downgrade" in said
    assert "typeorm migration:generate" in fleet.run("migrations", "new", "x", "--autogenerate", code=1).err
    for each in made.parent.iterdir():
        each.unlink()
    tree.add("1700000000001-Init.sql", "SELECT 1")
    fleet.run("migrations", "new", "Add pets")
    assert sorted(path.suffix for path in made.parent.iterdir()) == [".sql", ".sql"]


@pytest.mark.parametrize("point", ["step-committed", "tenant-migrated:2", "step-committed:2"])
def test_killed_between_the_transactions_of_a_migration(fleet: Fleet, tree: Tree, point: str) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    one = "INSERT INTO donor (phone) VALUES ('{}')"
    tree.add(
        "1700000000002-Parts.ts",
        a_source("Parts1700000000002", one.format(1), one.format(2), members="\n    transaction = false"),
    )
    tree.add("1700000000003-More.sql", one.format(3))
    assert fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point}).code < 0
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT phone FROM donor ORDER BY id", database=fleet.database("a")) == [("1",), ("2",), ("3",)]
    assert len(noted(fleet, "a")) == 3


def test_an_applications_own_table_of_that_name_counts_as_data(fleet: Fleet, tree: Tree) -> None:
    """TypeORM's table does not keep a database from being left; anything else that is called migrations does."""
    fleet.organization("a", DEDICATED)
    fleet.apply()
    fleet.organization("a", "database: { mode: shared }")
    assert not [b for b in fleet.plan()["blockers"] if b["rule"] == "occupied"]
    fleet.execute(
        "DROP TABLE migrations; CREATE TABLE migrations (bird text, miles int); INSERT INTO migrations VALUES ('x', 1)",
        database=fleet.database("a"),
    )
    assert [b["rule"] for b in fleet.plan()["blockers"] if "migrations" in b["message"]]
