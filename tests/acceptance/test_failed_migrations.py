"""A migration that failed says which revision, which file, which of its statements, and what the server said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree
from servers import TestServer

NAMES = ("a", "b", "c", "d")
SPEC = "guard: { maxChangedPercent: 100 }\nrollout: { maxFailures: 0, parallelism: 1, onFailure: rollback }"
BACK = "op.execute('ALTER TABLE donors DROP CONSTRAINT IF EXISTS donors_phone_key')"
CANARY = "canary-5551234"


class Broken:
    """Four organizations and a tree of which the last revisions are taken away again."""

    def __init__(self, fleet: Fleet, tree: TenantTree) -> None:
        self.fleet, self.tree, self.start = fleet, tree, tree.head

    def path(self, *bodies: str) -> str:
        """Revisions on top of what is applied, with the last of `bodies` failing; the id of the last."""
        for old in self.tree.folder.glob("versions/f*.py"):
            old.unlink()
        self.tree.head = self.start
        for number, body in enumerate(bodies):
            self.tree.add(f"f{number:07}", body, back=BACK)
        return self.tree.head

    def failure(self, address: str) -> str:
        """Why the operation on `address` failed: the same text in the report's two forms, in the audit log and the journal."""
        result = self.fleet.apply("--json", code=5)
        failed = [o for o in result.json["operations"] if o["status"] == "failed"]
        assert [o["address"] for o in failed] == [address]
        assert all(o["error"] for o in result.json["operations"] if o["status"] != "done")
        text = str(failed[0]["error"])
        entry = self.fleet.run("audit", "list", "--address", address, "--limit", "1", "--json").json[0]
        assert (entry["result"], entry["detail"]) == ("failed", text)
        assert text in " ".join(self.fleet.run("audit", "show", str(entry["sequence"])).out.split())
        found = "SELECT error FROM tenantplan.operations WHERE status = 'failed' ORDER BY finished_at DESC LIMIT 1"
        assert self.fleet.rows(found) == [(text,)]
        shown = self.fleet.apply(code=5).out
        assert text in shown and CANARY not in shown + text
        return text


@pytest.fixture(scope="module")
def broken(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    """One fleet for all: each failure is rolled back."""
    fleet = Fleet(tmp_path_factory.mktemp("broken"), server)
    tree = tenant_tree(fleet)
    fleet.settings(SPEC, migrations="migrations/tenant")
    for name in NAMES:
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    for name in NAMES[1:]:
        fleet.execute(f"INSERT INTO donors (phone) VALUES ('{CANARY}'), ('{CANARY}')", database=fleet.database(name))
    yield Broken(fleet, tree)
    fleet.clean()


def schema(fleet: Fleet, name: str) -> str:
    return f"schema/primary/{fleet.database(name)}"


def test_one_of_103_pending_revisions_is_named(broken: Broken) -> None:
    """It fails in the rows of one database, in the middle of a message of many statements."""
    bodies = [f"op.execute('SELECT {n}')\nop.execute('SELECT -{n}')" for n in range(103)]
    bodies[60] = (
        "op.execute('SELECT 1; SELECT 2')\n"
        "op.execute('ALTER TABLE donors ADD CONSTRAINT donors_phone_key UNIQUE (phone)')\nop.execute('SELECT 1')"
    )
    broken.path(*bodies)
    fleet = broken.fleet
    text = broken.failure(schema(fleet, "b"))
    assert "revision f0000060 (migrations/tenant/versions/f0000060.py), statement 2 of 3" in text
    assert "(ALTER TABLE donors ADD CONSTRAINT donors_phone_key UNIQUE (phone)): 23505 could not create unique" in text
    assert f"database {fleet.database('b')}" in text


def test_the_cause_stands_last_and_what_was_skipped_is_counted(broken: Broken) -> None:
    broken.path("op.create_unique_constraint('donors_phone_key', 'donors', ['phone'])")
    out = broken.fleet.apply(code=5).out
    assert out.count("maxFailures") == 1
    skipped = "2 skipped, not begun: 1 failed, and maxFailures is 0; the next tenantplan apply runs what was skipped.\n"
    assert skipped in out
    after = out.partition(skipped)[2]
    assert all(schema(broken.fleet, name) not in after for name in ("c", "d"))
    *_, cause, blank, total = after.splitlines()
    assert "statement 1 of 1" in cause and not blank and total.startswith("Applied: ")


def test_a_statement_that_the_server_cannot_read_is_the_one_that_is_named(broken: Broken) -> None:
    """Of a message with a syntax error nothing has run: the server says where it is. The shared tables come first."""
    broken.path("op.execute('SELECT 1')\nop.execute('ALTER TABLE donors ADDD x int')")
    text = broken.failure(f"schema/primary/{broken.fleet.main_database}/shared")
    assert "revision f0000000 (migrations/tenant/versions/f0000000.py), statement 2 of 2 (ALTER TABLE donors" in text
    assert "42601 syntax error" in text
    out = broken.fleet.apply(code=5).out
    assert "4 skipped, what they depend on failed; the next" in out


def test_data_that_do_not_fit_are_told_without_the_data(broken: Broken) -> None:
    broken.path("op.execute('SELECT phone::int FROM donors')")
    text = broken.failure(schema(broken.fleet, "b"))
    assert "22P02 invalid input syntax for type integer: …" in text


def test_a_template_that_cannot_be_built_says_so(broken: Broken) -> None:
    """What fails in the template only: each database waits for it."""
    only = "IF current_database() LIKE ''tp_template%'' THEN RAISE EXCEPTION ''not here''; END IF"
    broken.path(
        "op.execute('SELECT 1')",
        f"op.execute('SELECT 2')\nop.execute('DO $$ BEGIN {only}; END $$')".replace("''", "\\'"),
    )
    text = broken.failure(schema(broken.fleet, "a"))
    assert (
        "the template for new databases cannot be built: revision f0000001 (migrations/tenant/versions/f0000001.py)"
        in text
    )
    assert "statement 2 of 2 (DO …): P0001 not here" in text


def test_a_program_names_its_line(broken: Broken) -> None:
    looks = "op.get_bind().execute(sa.text('SELECT 1')).scalar()\n"
    broken.path(looks + "op.get_bind().execute(sa.text('SELECT 1 / 0'))")
    text = broken.failure(f"schema/primary/{broken.fleet.main_database}/shared")
    assert re.search(r"revision f0000000 \(migrations/tenant/versions/f0000000.py:\d+\): 22012 division by zero", text)
    broken.path(looks + "raise ValueError('no way')")
    text = broken.failure(f"schema/primary/{broken.fleet.main_database}/shared")
    assert re.search(r"f0000000.py:\d+\): its program failed: ValueError: no way", text)


def test_a_plan_file_carries_what_names_the_place(broken: Broken) -> None:
    """Applied from a file, and by what planned before plans had it: the revision at least."""
    broken.path("op.execute('SELECT 1')\nop.create_unique_constraint('donors_phone_key', 'donors', ['phone'])")
    fleet = broken.fleet
    fleet.run("plan", "--out", "plan.json")
    document: dict[str, Any] = json.loads((fleet.root / "plan.json").read_text())
    (origins,) = {json.dumps(o["origins"]) for o in document["operations"] if o["address"] == schema(fleet, "b")}
    assert json.loads(origins) == [["f0000000", True, 2], ["f0000000", False, 1]]
    out = fleet.run("apply", "plan.json", code=5).out
    assert "f0000000.py), statement 2 of 2 (ALTER TABLE donors ADD CONSTRAINT" in out


def test_an_index_that_is_built_outside_a_transaction(broken: Broken) -> None:
    """The last: it leaves databases halfway."""
    body = "with op.get_context().autocommit_block():\n    op.execute('CREATE UNIQUE INDEX CONCURRENTLY u ON donors (phone)')"
    broken.path(body)
    text = broken.fleet.apply("--json", code=5).json["operations"]
    (error,) = [o["error"] for o in text if o["status"] == "failed"]
    assert "revision f0000000 (migrations/tenant/versions/f0000000.py), statement 1 of 1 (CREATE UNIQUE INDEX" in error
    assert "23505" in error and "INVALID" in error and CANARY not in error


def test_the_main_tree_on_the_first_apply(server: TestServer, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    folder = Path("migrations") / "main"
    source = Path(__file__).parents[2] / folder
    for path in source.rglob("*.py"):
        fleet.write(str(folder / path.relative_to(source)), path.read_text(encoding="utf-8"))
    from tenantplan.migration.tree import graph

    tree = TenantTree(fleet.root / folder, graph.load(fleet.root / folder, "main").head or "")
    tree.add("e0000001", "op.execute('SELECT 1')\nop.execute('ALTER TABLE nowhere ADD COLUMN a int')")
    path = fleet.root / "tenantplan.yaml"
    path.write_text(path.read_text().replace("migrations: { ", "migrations: { main: migrations/main, "))
    fleet.organization("msf")
    err = fleet.apply(code=1).err
    assert "revision e0000001 (migrations/main/versions/e0000001.py), statement 2 of 2 (ALTER TABLE nowhere" in err
    assert "42P01" in err and "Traceback" not in err
    fleet.clean()
