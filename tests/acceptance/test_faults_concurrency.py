"""Faults 3, 10 and 11: other runs, other sessions' locks, and servers that are full."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet
from conftest import FreshServer
from servers import TestServer

SLACK = 1.0  # seconds that a busy machine may add
TIMEOUT = 2.0  # seconds that a migration waits for a lock
REVISION = """
from alembic import op
revision = "a0000001"
down_revision = "9c1b04aa"
branch_labels = None
depends_on = None
def upgrade():
    op.execute("ALTER TABLE donors ADD COLUMN nickname text")
def downgrade():
    op.execute("ALTER TABLE donors DROP COLUMN nickname")
"""


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def stopped(process: subprocess.Popen[str]) -> bool:
    """Whether the process stands still at its failpoint; one that has ended does not."""
    if process.poll() is not None:
        return False
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


@contextmanager
def killed_at_last(processes: list[subprocess.Popen[str]]) -> Iterator[None]:
    """Ends what a failing test has left."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.mark.once
@pytest.mark.parametrize("point", ["bootstrap-created", "run-opened"])
def test_of_three_applies_at_once_one_works(fresh_server: FreshServer, tmp_path: Path, point: str) -> None:
    """While the main database is being made, and when it exists."""
    server = fresh_server({"autovacuum": "off"})
    fleet = Fleet(tmp_path / "fleet", server)
    fleet.organization("acme")
    if point == "run-opened":
        fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.settings("guard: { maxChangedPercent: 100 }")
    fleet.run("plan", "--out", "plan.json")
    pause = {"TENANTPLAN_FAILPOINT": f"{point}:1:stop"}  # whoever wins stands still with the lock in its hands
    three = [fleet.start("apply", "plan.json", env=pause) for _ in range(3)]
    with killed_at_last(three):
        until(lambda: sum(map(stopped, three)) == 1 and sum(p.poll() is not None for p in three) == 2)
        winner = next(p for p in three if p.poll() is None)
        losers = [p for p in three if p is not winner]
        before = next_transaction(server)
        late = fleet.run("apply", "plan.json", code=6)
        assert next_transaction(server) == before  # a transaction that writes takes a number
        os.kill(winner.pid, signal.SIGCONT)
        _, err = winner.communicate(timeout=60)
        assert winner.returncode == 0, err
        assert [p.returncode for p in losers] == [6, 6]
        ((run,),) = fleet.rows("SELECT id::text FROM tenantplan.runs ORDER BY started_at DESC LIMIT 1")
        said = [p.communicate()[1] for p in losers]
    assert all(run in message for message in (*said, late.err)), (run, said)
    assert len(fleet.rows("SELECT FROM tenantplan.runs")) == (1 if point == "bootstrap-created" else 2)
    assert not [name for name in fleet.databases() if name.startswith("tp_new")]
    fleet.converged()


def next_transaction(server: TestServer) -> int:
    with server.superuser_connect() as connection:
        row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def behind(fleet: Fleet) -> Fleet:
    """Two dedicated databases, one revision behind."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "migrations" / "tenant", fleet.root / "migrations", ignore=ignore)
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="migrations")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("unicef", "database: { mode: dedicated }")
    fleet.apply()
    fleet.write("migrations/versions/a0000001_nickname.py", REVISION)
    return fleet


class Reader:
    """A session that reads donors again and again; `longest` is the longest it waited, in seconds."""

    def __init__(self, fleet: Fleet, database: str) -> None:
        self.longest = 0.0
        self.reads = 0
        self._end = threading.Event()
        self._connection = fleet.connect(database)
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._end.wait(0.01):
            began = time.monotonic()
            self._connection.execute("SELECT count(*) FROM public.donors")
            self.longest = max(self.longest, time.monotonic() - began)
            self.reads += 1

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._connection.close()


@contextmanager
def held(fleet: Fleet, database: str) -> Iterator[psycopg.Connection[object]]:
    """Another session in the middle of a transaction that has read donors."""
    with fleet.connect(database) as connection:
        connection.autocommit = False
        connection.execute("LOCK TABLE public.donors IN ACCESS SHARE MODE")
        yield connection


def timeouts(fleet: Fleet) -> int:
    """How often a statement in the fleet's databases has given up waiting for a lock."""
    lines = fleet.server.log_text().splitlines()
    return sum("due to lock timeout" in line and f"@{fleet.database('msf')} " in line for line in lines)


@pytest.mark.once
def test_a_migration_waits_politely_and_gets_in(behind: Fleet) -> None:
    """The holder leaves after a while."""
    database = behind.database("msf")
    apply = None
    with ExitStack() as stack:
        holder = stack.enter_context(held(behind, database))
        reader = stack.enter_context(Reader(behind, database))
        apply = behind.start("apply", "--auto-approve")
        stack.enter_context(killed_at_last([apply]))
        until(lambda: timeouts(behind) >= 1)
        holder.rollback()
        out, err = apply.communicate(timeout=60)
        assert apply.returncode == 0, out + err
    assert reader.reads and TIMEOUT / 2 < reader.longest < TIMEOUT + SLACK
    behind.converged()


@pytest.mark.slow
def test_a_migration_that_never_gets_in_fails_alone(behind: Fleet) -> None:
    """The holder stays; tried five times, the others done, and finished by the next apply."""
    database = behind.database("msf")
    with held(behind, database), Reader(behind, database) as reader:
        result = behind.apply(code=5)
    assert "55P03" in result.out
    assert timeouts(behind) == 5
    assert reader.longest < TIMEOUT + SLACK
    assert behind.operations() == [f"migrate schema/primary/{database}"]
    behind.apply()
    behind.converged()


@pytest.mark.once
@pytest.mark.parametrize(
    "point",
    [
        "run-opened:1",
        pytest.param("template-created:1", marks=pytest.mark.slow),
    ],
)
def test_a_full_server_is_waited_for(fresh_server: FreshServer, tmp_path: Path, point: str) -> None:
    """All connections are taken in the middle of an apply, and given back later."""
    server = fresh_server({"max_connections": "20"})
    fleet = Fleet(tmp_path / "fleet", server)
    fleet.organization("acme")
    fleet.apply()
    for number in range(5):
        fleet.organization(f"org-{number}", "database: { mode: dedicated }")
    apply = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": f"{point}:stop"})
    with killed_at_last([apply]):
        until(lambda: stopped(apply))
        taken = all_connections(server)
        refused = server.log_text().count("FATAL")
        os.kill(apply.pid, signal.SIGCONT)
        until(lambda: server.log_text().count("FATAL") > refused + 2)
        for connection in taken:
            connection.close()
        out, err = apply.communicate(timeout=90)
    assert apply.returncode == 0, out + err
    assert (
        fleet.rows("SELECT address, error FROM tenantplan.operations WHERE status NOT IN ('done', 'recovered')") == []
    )
    fleet.converged()


def all_connections(server: TestServer) -> list[psycopg.Connection[object]]:
    """Sessions until the server has none left for its ordinary users."""
    taken: list[psycopg.Connection[object]] = []
    while len(taken) < 100:
        try:
            taken.append(server.connect())
        except psycopg.OperationalError:
            break
    return taken


@pytest.mark.once
def test_a_small_budget_on_another_server_is_enough(fleet: Fleet, fresh_server: FreshServer) -> None:
    """Tracks that each hold a session of a server never wait for one another's last one."""
    fleet.env["TENANTPLAN_EU_URL"] = fresh_server().url()
    fleet.settings("servers: { eu: { url: { env: TENANTPLAN_EU_URL }, maxConnections: 3 } }")
    for number in range(5):
        fleet.organization(f"org-{number}", "database: { mode: dedicated, server: eu }")
    apply = fleet.start("apply", "--auto-approve")
    with killed_at_last([apply]):
        out, err = apply.communicate(timeout=60)
    assert apply.returncode == 0, out + err
    fleet.converged()
