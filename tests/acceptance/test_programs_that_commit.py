"""A revision that commits in its middle is run as Alembic runs it; one that was interrupted waits for a person's word."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import TenantTree, tenant_tree

pytestmark = pytest.mark.once

# Three rows at a time; what stands in `breaks` ends it after its first commit.
BATCHES = """
import os, signal, time
bind = op.get_bind()
if bind.scalar(sa.text("SELECT how FROM breaks")) == 'early':
    raise ValueError("before its first commit")
if bind.scalar(sa.text("SELECT how FROM breaks")) == 'wait':
    bind.execute(sa.text("LOCK TABLE nobody_waits NOWAIT"))
op.add_column('donors', sa.Column('batches', sa.Integer()), if_not_exists=True)
while bind.scalar(sa.text("SELECT count(*) FROM donors WHERE batches IS NULL")) > 0:
    bind.execute(sa.text(
        "UPDATE donors SET batches = 1, seen = seen + 1 WHERE id IN (SELECT id FROM donors WHERE batches IS NULL LIMIT :n)"
    ), {"n": 3})
    bind.commit()
    if bind.scalar(sa.text("SELECT how FROM breaks")) == 'kill':
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.3)
    if bind.scalar(sa.text("SELECT how FROM breaks")) == 'fail':
        raise ValueError("in the middle")
    if bind.scalar(sa.text("SELECT how FROM breaks")) == 'lock':
        bind.execute(sa.text("LOCK TABLE nobody_waits NOWAIT"))
assert bind.scalar(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False
"""
BASE = """
op.execute("ALTER TABLE donors ADD seen int NOT NULL DEFAULT 0")
op.execute("CREATE TABLE breaks (how text)")
op.execute("CREATE TABLE nobody_waits ()")
op.execute("INSERT INTO breaks VALUES ('no')")
"""


class Batches:
    """An organization with ten donors, whose next revision commits every third."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.tree = fleet, tenant_tree(fleet)
        self.tree.add("b0000001", BASE)
        fleet.organization("a", "database: { mode: dedicated }")
        fleet.apply()
        self.database = fleet.database("a")
        fleet.execute("INSERT INTO donors (phone) SELECT n::text FROM generate_series(1, 10) n", database=self.database)
        self.tree.add("b0000002", BATCHES)

    def breaks(self, how: str) -> None:
        self.fleet.execute(f"UPDATE breaks SET how = '{how}'", database=self.database)

    def donors(self) -> tuple[int, int]:
        """How many are done, and how often they were: once each."""
        asked = "SELECT count(*) FILTER (WHERE batches = 1), sum(seen) FROM donors"
        (row,) = self.fleet.rows(asked, database=self.database)
        return row[0], row[1]

    def finished(self) -> None:
        assert self.donors() == (10, 10)
        self.fleet.converged()
        owners = (
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        assert self.fleet.rows(owners, database=self.database) == [("tenantplan_owner",)]


@pytest.fixture
def batches(fleet: Fleet) -> Batches:
    return Batches(fleet)


def test_it_runs_as_alembic_runs_it(batches: Batches) -> None:
    said = batches.fleet.run("plan").out
    assert "it commits in its middle: if it is interrupted, a person reads how far it came" in said
    batches.fleet.apply()
    batches.finished()


def test_what_failed_before_its_first_commit_has_not_begun(batches: Batches) -> None:
    batches.breaks("early")
    assert "before its first commit" in batches.fleet.apply(code=5).out
    assert batches.fleet.plan()["blockers"] == []
    batches.breaks("no")
    batches.fleet.apply()
    batches.finished()


@pytest.mark.parametrize(("how", "done"), [("lock", 3), ("wait", 0)])
def test_a_lock_in_the_way_is_waited_for_until_something_is_committed(batches: Batches, how: str, done: int) -> None:
    fleet = batches.fleet
    batches.breaks(how)
    with fleet.connect(batches.database) as holder, holder.transaction():
        holder.execute("LOCK TABLE nobody_waits")
        out = " ".join(fleet.apply(code=5).out.split())
    assert "55P03" in out or "could not obtain lock" in out
    assert ("what it had committed is there" in out) is (done > 0)
    assert batches.donors()[1] == done if done else True
    assert len(fleet.plan()["blockers"]) == (1 if done else 0)
    batches.breaks("no")
    fleet.settings(migrations="migrations/tenant, rerun: [b0000002]")
    fleet.apply()
    batches.finished()


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_what_was_interrupted_is_not_begun_again_before_somebody_says_so(batches: Batches, how: str) -> None:
    fleet = batches.fleet
    batches.breaks(how)
    code = fleet.process("apply", "--auto-approve").code
    assert code < 0 if how == "kill" else code == 5
    assert batches.donors() == (3, 3)
    batches.breaks("no")
    (blocker,) = fleet.plan()["blockers"]
    assert "commits in its middle, and was interrupted" in blocker["message"]
    assert "migrations.rerun: [b0000002]" in blocker["message"]
    fleet.apply(code=3)
    assert batches.donors() == (3, 3)
    fleet.settings(migrations="migrations/tenant, rerun: [b0000002]")
    fleet.apply()
    batches.finished()


def test_a_commit_that_could_not_be_read_is_refused_before_it_happens(fleet: Fleet) -> None:
    tree: TenantTree = tenant_tree(fleet)
    fleet.organization("a", "database: { mode: dedicated }")
    fleet.apply()
    database = fleet.database("a")
    (tree.folder / "beside.py").write_text("def finish(bind):\n    bind.commit()\n")
    body = "import beside\nop.get_bind().scalar(sa.text('SELECT 1'))\nop.execute('CREATE TABLE left_behind ()')\n"
    for number, ends in enumerate(["beside.finish(op.get_bind())", "op.get_bind().exec_driver_sql('com' + 'mit')"]):
        for old in tree.folder.glob("versions/e*.py"):
            old.unlink()
        (tree.folder / "versions" / "e.py").unlink(missing_ok=True)
        tree.add(f"e{number:07}", body + ends, down=tree.head)
        out = fleet.apply(code=5).out
        assert "which was not seen when it was planned; nothing of it was done" in " ".join(out.split())
        assert fleet.rows("SELECT to_regclass('left_behind')::text", database=database) == [(None,)]
        assert fleet.plan()["blockers"] == []


RUN = "bind = op.get_bind()\nwhich = bind.scalar(sa.text('SELECT count(*) FROM notes'))\n"
NOTE = "op.execute('INSERT INTO notes SELECT current_user')\n"


class Notes:
    """An organization whose next revision, a program, runs where there is a note: not in the template of new databases."""

    def __init__(self, fleet: Fleet, body: str) -> None:
        self.fleet = fleet
        tree = tenant_tree(fleet)
        fleet.settings("shared: none\nrollout: { lockTimeoutSeconds: 1 }", migrations="migrations/tenant")
        tree.add("d0000001", "op.execute('CREATE TABLE notes (who text); CREATE TABLE held ()')")
        fleet.organization("a", "database: { mode: dedicated }")
        fleet.apply()
        fleet.execute("INSERT INTO notes VALUES ('first')", database=fleet.database("a"))
        tree.add("d0000002", f"{RUN}if which:\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n")

    def written(self) -> list[str]:
        return [row[0] for row in self.fleet.rows("SELECT who FROM notes OFFSET 1", database=self.fleet.database("a"))]

    @contextmanager
    def held(self) -> Iterator[None]:
        with self.fleet.connect(self.fleet.database("a")) as holder, holder.transaction():
            holder.execute("LOCK TABLE held")
            yield


@pytest.mark.parametrize(
    "ends",
    [
        "bind.connection.commit()",
        "bind.connection.cursor().execute('COMMIT')\nif not which: bind.commit()",
    ],
)
def test_each_transaction_has_the_role_however_the_one_before_it_ended(fleet: Fleet, ends: str) -> None:
    notes = Notes(
        fleet, f"{NOTE}{ends}\n{NOTE}bind.connection.cursor().execute('INSERT INTO notes SELECT current_user')"
    )
    fleet.apply()
    assert notes.written() == ["tenantplan_owner"] * 3
    fleet.converged()


@pytest.mark.parametrize(
    ("by", "ends"),
    [("op", "'-- so far\\nCOMMIT'"), ("bind.connection.cursor()", "'SELECT 1; /* x */ END'")],
)
def test_what_ends_a_transaction_is_seen_behind_a_comment_and_below_sqlalchemy(
    fleet: Fleet, by: str, ends: str
) -> None:
    notes = Notes(fleet, f"{NOTE}{by}.execute({ends})\n{NOTE}")
    for _ in range(2):
        assert "nothing of it was done" in " ".join(fleet.apply(code=5).out.split())
        assert notes.written() == []


def test_what_waits_for_a_lock_after_a_commit_is_not_begun_again(fleet: Fleet) -> None:
    notes = Notes(fleet, f"{NOTE}bind.commit()\nop.execute('LOCK TABLE held')")
    with notes.held():
        assert "55P03" in fleet.apply(code=5).out
    assert len(notes.written()) == 1
    (blocker,) = fleet.plan()["blockers"]
    assert "commits in its middle, and was interrupted" in blocker["message"]


def test_what_failed_before_it_committed_leaves_no_mark(fleet: Fleet) -> None:
    notes = Notes(fleet, f"op.execute('LOCK TABLE held')\n{NOTE}bind.commit()")
    with notes.held():
        assert "55P03" in fleet.apply(code=5).out
    fleet.apply()
    assert len(notes.written()) == 1
    fleet.converged()


def test_a_mark_of_an_earlier_run_stays_when_the_next_one_fails_before_it_commits(fleet: Fleet) -> None:
    notes = Notes(fleet, f"op.execute('LOCK TABLE held')\n{NOTE}bind.commit()\nif which == 1: raise ValueError")
    fleet.apply(code=5)
    fleet.settings(fleet.spec, migrations="migrations/tenant, rerun: [d0000002]")
    with notes.held():
        assert "55P03" in fleet.apply(code=5).out
    fleet.settings(fleet.spec, migrations="migrations/tenant")
    assert "was interrupted" in fleet.plan()["blockers"][0]["message"]


def test_a_second_connection_does_not_take_back_what_the_first_has_done(fleet: Fleet) -> None:
    second = "with bind.engine.connect() as other:\n    other.scalar(sa.text('SELECT 1'))\n"
    notes = Notes(fleet, f"{NOTE}bind.commit()\n{NOTE}{second}{NOTE}")
    assert "opens a second connection before it has committed" in " ".join(fleet.apply(code=5).out.split())
    assert len(notes.written()) == 1
    assert "was interrupted" in fleet.plan()["blockers"][0]["message"]


def test_version_mark_and_stamp_are_written_together_after_autocommit(fleet: Fleet) -> None:
    notes = Notes(fleet, f"bind.commit()\nbind = bind.execution_options(isolation_level='AUTOCOMMIT')\n{NOTE}")
    fleet.apply()
    assert notes.written() == ["tenantplan_owner"]
    stamp = (
        "SELECT xmin::text FROM pg_shdescription WHERE objoid ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    version = "SELECT xmin::text FROM alembic_version"
    database = fleet.database("a")
    assert fleet.rows(stamp, database=database) == fleet.rows(version, database=database)
    fleet.converged()


def test_one_that_was_mended_begins_again_where_somebody_says_that_it_may(fleet: Fleet) -> None:
    notes = Notes(fleet, f"{NOTE}bind.commit()\nraise ValueError('a fault of its own')")
    fleet.apply(code=5)
    path = fleet.root / "migrations" / "tenant" / "versions" / "d0000002.py"
    path.write_text(path.read_text().replace("raise ValueError", "str"))
    assert "in another version of its file" in fleet.plan()["blockers"][0]["message"]
    fleet.settings(fleet.spec, migrations="migrations/tenant, rerun: [d0000002]")
    fleet.apply()
    assert len(notes.written()) == 2
    fleet.converged()


def test_one_that_was_stopped_on_its_way_back_is_finished_by_hand(fleet: Fleet) -> None:
    notes = Notes(fleet, NOTE)
    path = fleet.root / "migrations" / "tenant" / "versions" / "d0000002.py"
    back = f"{RUN}bind.commit()\nbind.scalar(sa.text('SELECT 1 / 0'))"
    path.write_text(path.read_text().replace("raise NotImplementedError", textwrap.indent(back, "    ").strip()))
    fleet.apply()
    fleet.organization("a", "database: { mode: dedicated, revision: d0000001 }")
    fleet.apply(code=5)
    said = fleet.plan()["blockers"][0]["message"]
    assert "halfway back from revision d0000002" in said
    assert "drift --repair" in said
    by_hand = "UPDATE alembic_version SET version_num = 'd0000001'; COMMENT ON TABLE alembic_version IS NULL"
    fleet.execute(by_hand, database=fleet.database("a"))
    fleet.run("drift", "--repair", "--out", "repair.json", code=None)
    fleet.run("apply", "repair.json")
    fleet.apply()
    fleet.converged()
    assert notes.written() == ["tenantplan_owner"]
