"""A fleet whose tenants have a tree of Prisma's: the same plan, the same apply, and Prisma's own table."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

DEDICATED = "database: { mode: dedicated }"


class Tree:
    """A Prisma folder in the fleet's repository."""

    def __init__(self, fleet: Fleet) -> None:
        self.folder = fleet.root / "prisma" / "migrations"
        fleet.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
        self.add(
            "20260101000000_init", 'CREATE TABLE "Donor" (\n  "id" SERIAL PRIMARY KEY,\n  "phone" TEXT\n);\n-- done\n'
        )
        fleet.settings("guard: { maxChangedPercent: 100 }", migrations="prisma/migrations")

    def add(self, name: str, script: str, **beside: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True)
        (folder / "migration.sql").write_text(script)
        for file, text in beside.items():
            (folder / f"{file}.sql").write_text(text)
        return folder / "migration.sql"


@pytest.fixture
def tree(fleet: Fleet) -> Tree:
    return Tree(fleet)


def noted(fleet: Fleet, name: str) -> list[tuple[str, str, bool, int]]:
    found = (
        "SELECT migration_name, checksum, finished_at IS NOT NULL AND rolled_back_at IS NULL, applied_steps_count"
        " FROM _prisma_migrations ORDER BY started_at"
    )
    return fleet.rows(found, database=fleet.database(name))


def test_databases_are_made_migrated_and_compared(fleet: Fleet, tree: Tree) -> None:
    """Issue 4: what stands in the table is what Prisma would have written."""
    fleet.organization("old", DEDICATED)
    fleet.organization("shared")
    fleet.run("validate")
    fleet.apply()
    fleet.converged()
    second = tree.add(
        "20260102000000_nick",
        'BEGIN;\nALTER TABLE "Donor" ADD COLUMN "nick" TEXT DEFAULT \'100% :x\';\n'
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;\nCOMMIT;\n",
    )
    tree.add("20260103000000_index", 'CREATE INDEX CONCURRENTLY "Donor_phone_idx" ON "Donor" ("phone");\n')
    fleet.organization("new", DEDICATED)
    (step,) = [o for o in fleet.plan()["operations"] if o["action"] == "migrate"]
    assert [s["kind"] for s in step["steps"]] == ["transaction", "outside", "transaction"]
    fleet.apply()
    for name in ("old", "new"):
        rows = noted(fleet, name)
        assert [row[0].split("_")[1] for row in rows] == ["init", "nick", "index"]
        assert rows[1][1:] == (hashlib.sha256(second.read_bytes()).hexdigest(), True, 1)
        assert fleet.rows('INSERT INTO "Donor" DEFAULT VALUES RETURNING nick', database=fleet.database(name)) == [
            ("100% :x",)
        ]
    fleet.converged()
    fleet.run("drift")
    assert "20260103000000_index" in fleet.run("status").out


def test_what_prisma_calls_failed_stands_in_the_way(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("20260102000000_more", "CREATE TABLE more (id int);\n")
    fleet.execute(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '20260102000000_more')",
        database=fleet.database("a"),
    )
    assert "prisma migrate resolve" in fleet.apply(code=5).out
    fleet.execute("DELETE FROM _prisma_migrations WHERE id = 'x'", database=fleet.database("a"))
    fleet.apply()
    fleet.converged()


def test_an_edited_script_and_a_failing_preflight_stop_everything(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    fleet.execute('INSERT INTO "Donor" (phone) VALUES (NULL)', database=fleet.database("a"))
    tree.add(
        "20260102000000_strict",
        'ALTER TABLE "Donor" ALTER "phone" SET NOT NULL;\n',
        preflight='SELECT 1 FROM "Donor" WHERE phone IS NULL;\n',
        down='ALTER TABLE "Donor" ALTER "phone" DROP NOT NULL;\n',
    )
    assert 'returns rows: SELECT 1 FROM "Donor"' in fleet.apply(code=3).err
    fleet.execute('DELETE FROM "Donor"', database=fleet.database("a"))
    fleet.apply()
    down = fleet.run("migrations", "sql", "--from", "head", "--to", "20260101").out
    assert "DROP NOT NULL" in down
    fleet.run("migrations", "revert", "a", "--to", "20260101")
    fleet.apply()  # nothing is lost: the row that goes from Prisma's table is tenantplan's to take
    assert [row[0] for row in noted(fleet, "a")] == ["20260101000000_init"]
    path = tree.folder / "20260101000000_init" / "migration.sql"
    path.write_text(path.read_text() + "-- later\n")
    blockers = fleet.plan()["blockers"]
    assert ("edited-revision", "migrations/tenant/20260101000000_init") in [(b["rule"], b["address"]) for b in blockers]


def test_what_prisma_deploys_is_deployed(fleet: Fleet, tree: Tree) -> None:
    """Each migration is a transaction, or as many as its script says; a folder is called whatever it is called."""
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("20260102000000_mood", "CREATE TYPE \"Mood\" AS ENUM ('SAD');\n")
    tree.add(
        "20260103000000_add value (copy)",
        "ALTER TYPE \"Mood\" ADD VALUE 'FINE';\nSET LOCAL search_path = pg_catalog;\n",
    )
    tree.add("20260104000000_use", 'ALTER TABLE "Donor" ADD "mood" "Mood" NOT NULL DEFAULT \'FINE\';\n')
    tree.add(
        "20260105000000_changed_enum",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n"
        "-- AlterEnum\nBEGIN;\n"
        "CREATE TYPE \"Mood_new\" AS ENUM ('FINE', 'GREAT');\n"
        'ALTER TABLE "Donor" ALTER "mood" DROP DEFAULT;\n'
        'ALTER TABLE "Donor" ALTER "mood" TYPE "Mood_new" USING ("mood"::text::"Mood_new");\n'
        'ALTER TYPE "Mood" RENAME TO "Mood_old";\nALTER TYPE "Mood_new" RENAME TO "Mood";\nDROP TYPE "Mood_old";\n'
        "COMMIT;\n\n-- AlterTable\n"
        'ALTER TABLE "Donor" ALTER "mood" SET DEFAULT \'GREAT\';\n',
    )
    fleet.organization("b", DEDICATED)
    (step,) = [o for o in fleet.plan()["operations"] if o["action"] == "migrate"]
    assert [s["kind"] for s in step["steps"]] == ["transaction"] * 5
    fleet.apply()
    fleet.converged()
    for name in ("a", "b"):
        assert [row[0].split("_", 1)[1] for row in noted(fleet, name)] == [
            "init", "mood", "add value (copy)", "use", "changed_enum",
        ]  # fmt: skip
        fleet.execute('INSERT INTO "Donor" DEFAULT VALUES', database=fleet.database(name))
        assert fleet.rows('SELECT mood::text FROM "Donor"', database=fleet.database(name)) == [("GREAT",)]
    fleet.run("drift")


@pytest.mark.parametrize("point", ["step-committed", "tenant-migrated:2", "step-committed:2"])
def test_killed_between_the_transactions_of_a_script(fleet: Fleet, tree: Tree, point: str) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    fleet.execute('INSERT INTO "Donor" (phone) VALUES (NULL)', database=fleet.database("a"))
    twice = "INSERT INTO \"Donor\" (phone) VALUES ('{}');\n"
    tree.add("20260102000000_parts", f"BEGIN;\n{twice.format('one')}COMMIT;\n{twice.format('two')}")
    tree.add("20260103000000_more", twice.format("three"))
    assert fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point}).code < 0
    fleet.apply()
    fleet.converged()
    found = fleet.rows('SELECT phone FROM "Donor" WHERE phone IS NOT NULL ORDER BY id', database=fleet.database("a"))
    assert [row[0] for row in found] == ["one", "two", "three"]
    assert [row[0].split("_")[1] for row in noted(fleet, "a")] == ["init", "parts", "more"]


def test_prisma_at_work_is_waited_for_and_then_said(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("20260102000000_more", "CREATE TABLE more (id int);\n")
    with fleet.connect(fleet.database("a")) as prisma:
        prisma.execute("SELECT pg_advisory_lock(72707369)")
        assert "prisma migrate is running in this database" in fleet.apply(code=5).out
    fleet.apply()
    fleet.converged()


def test_a_script_sets_its_isolation_behind_settings_and_checks(fleet: Fleet, tree: Tree) -> None:
    fleet.organization("a", DEDICATED)
    fleet.apply()
    tree.add("20260102000000_zone", "SET timezone = 'Asia/Tokyo';\nCREATE TABLE seen (zone text, level text);\n")
    look = "INSERT INTO seen SELECT current_setting('timezone'), current_setting('transaction_isolation');\n"
    tree.add(
        "20260103000000_serializable",
        f"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n{look}COMMIT;\n{look}",
        preflight="SELECT 1 FROM seen;\n",
    )
    fleet.apply()
    fleet.converged()
    levels = ["serializable", "read committed"]
    assert fleet.rows("SELECT * FROM seen", database=fleet.database("a")) == [("Asia/Tokyo", each) for each in levels]
