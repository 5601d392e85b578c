"""A revision that commits in its middle is run as Alembic runs it; one that was interrupted waits for a person's word."""

from __future__ import annotations

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
