"""Faults 5 and 7 to 11 over a hundred databases, and a rollout over them that is killed again and again."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from acceptance.harness import ROOT, Fleet
from acceptance.pooler import Pooler
from acceptance.tenant_tree import TenantTree, tenant_tree
from acceptance.test_faults_concurrency import (
    SLACK,
    Reader,
    all_connections,
    held,
    killed_at_last,
    next_transaction,
    stopped,
    until,
)
from servers import TestServer

from tenantplan.migration.running import worker
from tenantplan.model import stamp
from tenantplan.postgres import connect
from tenantplan.postgres.account import server_account

pytestmark = [pytest.mark.slow, pytest.mark.once]

MANY = [f"org-{number:03}" for number in range(100)]
# Two sessions for each of the eight databases that are worked on at once, one for the lock.
SPEC = "guard: {{ maxChangedPercent: 100 }}\nservers: {{ primary: {{ maxConnections: 17 }} }}\nrollout: {{ {} }}"
ONCE = "if not op.get_context().opts['shared']:\n    op.execute(\"INSERT INTO donors (phone) VALUES ('{}')\")\n"
TWICE = "INSERT INTO donors ({}) VALUES ('canary-555'), ('canary-555')"

BODIES = {
    "plain": "op.add_column('donors', sa.Column('{0}', sa.Text()))",
    "marked": textwrap.dedent(
        """
        op.add_column('donors', sa.Column('{0}', sa.Text()))
        with op.get_context().autocommit_block():
            op.create_index('{0}_a', 'donors', ['phone'], postgresql_concurrently=True)
            op.drop_index('{0}_a', postgresql_concurrently=True)
        op.execute('ALTER TABLE donors ADD {0}_more text')
        with op.get_context().autocommit_block():
            op.create_index('{0}_b', 'donors', ['{0}'], postgresql_concurrently=True)
        """
    ),
    "program": "bind = op.get_bind()\n"
    "if bind.execute(sa.text('SELECT count(*) FROM donors')).scalar() is not None:\n"
    "    bind.execute(sa.text('ALTER TABLE donors ADD {0} text'))",
}


@dataclass
class Hundred:
    """A hundred dedicated databases, all at `tree`'s head whenever a test begins."""

    fleet: Fleet
    tree: TenantTree
    whole: bool = True
    revisions: int = field(default=0)

    def rollout(self, body: str, spec: str = "") -> str:
        """A further revision, which brings about what can be counted: `body`, with {} for its name, and a row that says so.

        Returns the revision.
        """
        self.whole = False
        self.revisions += 1
        revision = f"a{self.revisions:07}"
        self.fleet.settings(SPEC.format(spec), migrations="migrations/tenant")
        self.tree.add(revision, body.format(revision) + "\n" + ONCE.format(revision))
        return revision

    def counted(self, revision: str) -> dict[str, tuple[str, int]]:
        """By organization: what its version table says, and how many rows the revision has left."""
        statement = "SELECT version_num::text, (SELECT count(*) FROM donors WHERE phone = %s) FROM alembic_version"
        found = {name: self.fleet.rows(statement, revision, database=self.fleet.database(name)) for name in MANY}
        return {name: rows[0] for name, rows in found.items()}

    def behind(self, revision: str) -> set[str]:
        """Organizations whose database is not at the revision; the others have its row, and these have none."""
        found = self.counted(revision)
        behind = {name for name, (at, _) in found.items() if at != revision}
        assert {name: rows for name, (_, rows) in found.items()} == {name: int(name not in behind) for name in MANY}
        return behind

    def planned(self) -> set[str]:
        """Organizations whose databases a plan would migrate, now or once an INVALID index is gone."""
        databases = {self.fleet.database(name): name for name in MANY}
        migrated = {o.removeprefix("migrate schema/primary/") for o in self.fleet.operations()}
        migrated |= {f["address"].removeprefix("schema/primary/") for f in self.fleet.plan()["unreachable"]}
        return {databases[name] for name in migrated if name in databases}

    def finished(self, revision: str) -> None:
        """Checks that all were migrated exactly once, that everything says so, and that nothing is left over."""
        fleet = self.fleet
        assert self.behind(revision) == set()
        assert fleet.rows("SELECT version_num::text FROM alembic_version_tenant") == [(revision,)]
        everything = {f"schema/primary/{fleet.database(name)}": 1 for name in MANY}
        for table, result in (("audit_log", "result"), ("operations", "status")):
            said = fleet.rows(
                f"SELECT address, count(*) FROM tenantplan.{table} WHERE action = 'migrate'"
                f" AND {result} IN ('done', 'recovered') AND after ->> 'revision' = %s GROUP BY 1",
                revision,
            )
            assert {a: n for a, n in said if not a.endswith("/shared")} == everything, table
        assert fleet.rows("SELECT id FROM tenantplan.runs WHERE status = 'running'") == []
        assert fleet.rows("SELECT op_id FROM tenantplan.operations WHERE status IN ('pending', 'running')") == []
        assert unfinished(fleet) == []
        fleet.converged()
        self.whole = True


def unfinished(fleet: Fleet) -> list[str]:
    """Databases on the server that are being made, and templates that are not ready."""
    found = fleet.rows(
        "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE starts_with(datname, 'tp_new') OR starts_with(datname, 'tp_template')",
        database="postgres",
    )
    return [name for name, comment in found if stamp.decode(comment).get("ready") != "1"]


@pytest.fixture(scope="module")
def made(pg_version: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Hundred]]:
    """The hundred; others when a test has left the last ones unfinished."""
    servers: list[TestServer] = []
    last: list[Hundred] = []

    def whole() -> Hundred:
        if not (last and last[-1].whole):
            for server in servers:
                server.stop("immediate")
            servers.append(TestServer(pg_version, {"autovacuum": "off"}))
            fleet = Fleet(tmp_path_factory.mktemp("hundred") / "fleet", servers[-1])
            last.append(Hundred(fleet, tenant_tree(fleet)))
            for name in MANY:
                fleet.organization(name, "database: { mode: dedicated }")
            fleet.apply()
        return last[-1]

    yield whole
    for server in servers:
        server.remove()


@pytest.fixture
def hundred(made: Callable[[], Hundred]) -> Hundred:
    return made()


# -- 5: a pooler


@contextmanager
def own_pooler(server: TestServer, folder: Path, ignore_options: bool) -> Iterator[str]:
    """This project's own; the URL of its server by way of it."""
    del folder
    with Pooler(server, ignore_options=ignore_options) as pooler:
        yield pooler.url


@contextmanager
def pgbouncer(server: TestServer, folder: Path, ignore_options: bool) -> Iterator[str]:
    """The real one, as its package ships it but for what it has to know; the URL of its server by way of it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed: Debian's package pgbouncer")
    with Pooler(server, ignore_options=True) as free:  # a port that nobody has, and the URL with it
        url, port = free.url, free.port
    password = server.params()["password"].replace('"', '""')
    users, settings = server.folder / "users.txt", server.folder / "pgbouncer.ini"
    users.write_text(f'"tp_admin" "{password}"\n')
    settings.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
        f"pool_mode = transaction\n{'ignore_startup_parameters = options' if ignore_options else ''}\n"
    )
    account = server_account()
    who: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    process = subprocess.Popen([program, str(settings)], stderr=subprocess.PIPE, text=True, **who)
    said = process.stderr
    assert said is not None
    reader = threading.Thread(target=said.read)
    try:
        until(lambda: "process up" in said.readline())
        reader.start()
        yield url
    finally:
        process.kill()
        process.wait()
        reader.join()
        said.close()


@pytest.mark.parametrize("pooler", [own_pooler, pgbouncer])
@pytest.mark.parametrize("ignore_options", [True, False], ids=["told-to-ignore-options", "as-shipped"])
def test_a_pooler_is_refused_before_the_first_write(
    hundred: Hundred,
    tmp_path: Path,
    pooler: Callable[[TestServer, Path, bool], AbstractContextManager[str]],
    ignore_options: bool,
) -> None:
    """In transaction mode; with the reason."""
    fleet = hundred.fleet
    revision = hundred.rollout("")
    with pooler(fleet.server, tmp_path, ignore_options) as url:
        before = next_transaction(fleet.server)
        result = fleet.run("apply", "--auto-approve", code=1, env={"TENANTPLAN_MAIN_URL": url})
        assert next_transaction(fleet.server) == before
    assert hundred.behind(revision) == set(MANY)
    assert "pooler" in result.err and "PostgreSQL itself" in result.err
    fleet.apply()
    hundred.finished(revision)


def test_a_pooler_that_swaps_sessions_is_one(hundred: Hundred) -> None:
    """What stands in for PgBouncer does what a pooler is feared for."""
    with Pooler(hundred.fleet.server, ignore_options=True) as pooler:
        with psycopg.connect(pooler.url, autocommit=True) as connection:
            pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for _ in range(4)}
            with connection.transaction():
                inside = {connection.execute("SELECT pg_backend_pid()").fetchone() for _ in range(4)}
        assert len(pids) == 2 and len(inside) == 1 and pooler.swaps >= 3


# -- 7: databases that refuse connections


def migrate_operations(fleet: Fleet) -> list[tuple[str, str]]:
    """Address and status of the newest run's operations."""
    return fleet.rows(
        "SELECT address, status FROM tenantplan.operations WHERE run_id ="
        " (SELECT id FROM tenantplan.runs ORDER BY started_at DESC LIMIT 1) ORDER BY 1"
    )


def test_databases_that_close_during_the_apply_are_the_only_ones_left(
    hundred: Hundred, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALLOW_CONNECTIONS false and CONNECTION LIMIT 0, of databases of the second batch, after the plan."""
    fleet = hundred.fleet
    monkeypatch.setattr(connect, "PATIENCE", 1.0)
    revision = hundred.rollout("op.execute('LOCK TABLE donors')", spec="batch: 50, lockTimeoutSeconds: 60")
    closed, full = "org-061", "org-088"
    limits = fleet.rows("SELECT datconnlimit FROM pg_database WHERE datname = %s", fleet.database(full))

    def close_them() -> None:
        waiting = "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with held(fleet, fleet.database("org-000")):
            until(lambda: fleet.rows(waiting, fleet.database("org-000"), database="postgres") != [])
            fleet.execute(f"ALTER DATABASE {fleet.database(closed)} ALLOW_CONNECTIONS false", database="postgres")
            fleet.execute(f"ALTER DATABASE {fleet.database(full)} CONNECTION LIMIT 0", database="postgres")

    other = threading.Thread(target=close_them)
    other.start()
    result = fleet.apply(code=5)
    other.join()
    fleet.execute(f"ALTER DATABASE {fleet.database(closed)} ALLOW_CONNECTIONS true", database="postgres")
    fleet.execute(f"ALTER DATABASE {fleet.database(full)} CONNECTION LIMIT {limits[0][0]}", database="postgres")
    assert "not currently accepting connections" in result.out and "too many connections for database" in result.out
    assert hundred.behind(revision) == {closed, full} == hundred.planned()
    rest = [f"schema/primary/{fleet.database(name)}" for name in (closed, full)]
    failed = "SELECT address FROM tenantplan.audit_log WHERE action = 'connect' AND result = 'failed' ORDER BY 1"
    assert fleet.rows(failed) == [(address,) for address in rest]
    last = fleet.rows("SELECT max(sequence) FROM tenantplan.audit_log")[0][0]
    fleet.apply()
    assert migrate_operations(fleet) == [(address, "done") for address in rest]
    audited = "SELECT address, action FROM tenantplan.audit_log WHERE sequence > %s ORDER BY 1, 2"
    assert fleet.rows(audited, last) == [(address, act) for address in rest for act in ("connect", "migrate")]
    hundred.finished(revision)


# -- 8: data that are against it (one at a time: test_faults_partial)


def test_a_failed_tenant_stops_eight_at_once(hundred: Hundred) -> None:
    """The seven that were running end, and nothing else is begun, of this batch or of the next."""
    fleet = hundred.fleet
    twice = fleet.database("org-036")
    fleet.execute(TWICE.format("notes"), database=twice)
    unique = "op.create_unique_constraint('{0}_key', 'donors', ['notes'])"
    slowly = "op.execute(\"SELECT pg_sleep(coalesce(current_setting('fleet.pause', true), '0')::float)\")"
    revision = hundred.rollout(f"{slowly}\n{unique}", spec="batch: 60, parallelism: 8, maxFailures: 0")
    fleet.execute("ALTER ROLE tp_admin SET fleet.pause = '1.0'")
    fleet.execute(f"ALTER ROLE tp_admin IN DATABASE {twice} SET fleet.pause = '0.5'")  # fails while others are at work
    result = fleet.apply(code=5)
    fleet.execute("ALTER ROLE tp_admin RESET fleet.pause")
    fleet.execute(f"ALTER ROLE tp_admin IN DATABASE {twice} RESET fleet.pause")
    assert "23505" in result.out and f"{revision}_key" in result.out
    told = result.out + result.err + repr(fleet.rows("SELECT l::text FROM tenantplan.audit_log l"))
    assert "canary" not in told + repr(fleet.rows("SELECT o::text FROM tenantplan.operations o"))
    behind = hundred.behind(revision)
    assert {"org-036", *MANY[60:]} <= behind
    failed = "SELECT at FROM tenantplan.audit_log WHERE result = 'failed' AND action = 'migrate' AND after ->> 'revision' = %s"
    ((moment,),) = fleet.rows(failed, revision)
    ended = "SELECT FROM donors WHERE phone = %s AND created_at + interval '1 s' > %s"  # created when it was begun
    late = [name for name in MANY if fleet.rows(ended, revision, moment, database=fleet.database(name))]
    key = f"SELECT FROM pg_class WHERE relname = '{revision}_key'"
    assert fleet.rows(key, database=twice) == []
    fleet.execute("DELETE FROM donors WHERE notes = 'canary-555'", database=twice)
    assert hundred.planned() == behind
    fleet.apply()
    hundred.finished(revision)
    assert len(late) <= 7, f"ended after the failure: {late}"


# -- 9: indexes that cannot be built


def test_failed_concurrent_indexes_stand_in_the_way_until_they_are_repaired(hundred: Hundred) -> None:
    """In four databases of a hundred."""
    fleet = hundred.fleet
    bad = ["org-003", "org-036", "org-037", "org-099"]
    for name in bad:
        fleet.execute(TWICE.format("company_name"), database=fleet.database(name))
    index = "op.create_index('{0}_unique', 'donors', ['company_name'], unique=True, if_not_exists=True, {1})"
    revision = hundred.rollout(
        "op.add_column('donors', sa.Column('{0}', sa.Text()))\n"
        "with op.get_context().autocommit_block():\n    " + index.replace("{1}", "postgresql_concurrently=True"),
        spec="onFailure: continue",
    )
    first = fleet.apply(code=5)
    assert first.out.count("23505") >= 1 and "INVALID" in first.out
    assert hundred.behind(revision) == set(bad)
    left = list(bad)
    for name in bad:
        databases = {fleet.database(name) for name in left}
        blockers = {b["address"]: b["message"] for b in fleet.plan()["unreachable"]}
        assert set(blockers) == {f"schema/primary/{database}" for database in databases}
        assert all(f'{revision}_unique" is INVALID' in message for message in blockers.values()), blockers
        fleet.execute("DELETE FROM donors WHERE company_name = 'canary-555'", database=fleet.database(name))
        assert all(database in fleet.apply(code=5).out for database in databases)  # the index is not mended by that
        assert hundred.behind(revision) == set(left)
        fleet.execute(f"DROP INDEX CONCURRENTLY {revision}_unique", database=fleet.database(name))
        left.remove(name)
    assert hundred.planned() == {bad[-1]}
    fleet.apply()
    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{revision}_unique'::regclass"
    assert all(fleet.rows(valid, database=fleet.database(name)) == [(True,)] for name in MANY)
    hundred.finished(revision)


# -- 10: locks of others


def test_locked_tables_fail_alone_and_nobody_waits_behind_them(hundred: Hundred) -> None:
    """Three stay, one leaves in time; who reads there never waits longer than one lock_timeout."""
    fleet, patience = hundred.fleet, 1.0
    staying, leaving = ["org-004", "org-040", "org-077"], "org-022"
    revision = hundred.rollout(
        "op.add_column('donors', sa.Column('{0}', sa.Text()))", spec="onFailure: continue, lockTimeoutSeconds: 1"
    )
    with ExitStack() as stack:
        for name in staying:
            stack.enter_context(held(fleet, fleet.database(name)))
        readers = [stack.enter_context(Reader(fleet, fleet.database(name))) for name in [*staying, leaving]]
        holder = stack.enter_context(held(fleet, fleet.database(leaving)))
        apply = fleet.start("apply", "--auto-approve")
        stack.enter_context(killed_at_last([apply]))
        until(lambda: given_up(fleet, leaving) >= 1)
        holder.rollback()
        out, err = apply.communicate(timeout=90)
    assert apply.returncode == 5, out + err
    assert "55P03" in out
    assert [given_up(fleet, name) for name in staying] == [5, 5, 5]
    assert 1 <= given_up(fleet, leaving) < 5
    waits = [reader.longest for reader in readers]
    assert all(reader.reads > 20 for reader in readers)
    assert max(waits) < patience + SLACK, waits
    assert min(waits[:3]) > patience / 2, waits  # they did queue behind the migration
    assert hundred.behind(revision) == set(staying) == hundred.planned()
    fleet.apply()
    hundred.finished(revision)


def given_up(fleet: Fleet, name: str) -> int:
    """How often a statement in an organization's database has given up waiting for a lock."""
    lines = fleet.server.log_text().splitlines()
    return sum("due to lock timeout" in line and f"@{fleet.database(name)} " in line for line in lines)


# -- 11: no connections


@pytest.mark.parametrize("body", ["plain", "program"])
def test_a_server_that_fills_up_is_waited_for(hundred: Hundred, body: str) -> None:
    """In the middle of the rollout; nobody is marked failed. A program connects by itself, in a process of its own."""
    fleet = hundred.fleet
    revision = hundred.rollout(BODIES[body])
    before = refused(fleet)
    pause = {} if body == "program" else {"TENANTPLAN_FAILPOINT": "step-committed:40:stop"}
    apply = fleet.start("apply", "--auto-approve", env=pause)
    with killed_at_last([apply]):
        until(lambda: stopped(apply) if body == "plain" else bool(programs(apply)))
        paused = [apply.pid] if body == "plain" else programs(apply)
        for process in paused:
            os.kill(process, signal.SIGSTOP)
        taken = all_connections(fleet.server)
        for process in paused:
            os.kill(process, signal.SIGCONT)

        def waits() -> bool:
            taken.extend(all_connections(fleet.server))
            return refused(fleet) > before + 4 or ended(apply)

        until(waits)
        for connection in taken:
            connection.close()
        out, err = apply.communicate(timeout=90)
    assert apply.returncode == 0, out + err
    assert {status for _, status in migrate_operations(fleet)} == {"done"}
    failed = "SELECT FROM tenantplan.audit_log WHERE result = 'failed' AND after ->> 'revision' = %s"
    assert fleet.rows(failed, revision) == []
    hundred.finished(revision)


def programs(process: subprocess.Popen[str]) -> list[int]:
    """The processes that an apply has started to run programs of revisions."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    found = [int(child) for thread in threads for child in thread.read_text().split()]
    return [child for child in found if worker.__name__.encode() in Path(f"/proc/{child}/cmdline").read_bytes()]


def ended(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def refused(fleet: Fleet) -> int:
    """How often the server had no connection left to a database other than the one that the test itself asks for."""
    lines = fleet.server.log_text().splitlines()
    return sum("connection slots" in line and "@postgres " not in line for line in lines)


# -- SIGKILL

# COUNT asks for more, as `make soak` does: here each body is killed often enough to meet every kind of moment.
KILLS = (
    {"plain": 10, "marked": 10, "program": 4}
    if not os.environ.get("COUNT")
    else {"plain": 20, "marked": 20, "program": 8}
)


def test_a_program_that_outlives_its_run_does_nothing(hundred: Hundred) -> None:
    """The process that runs it is about to connect when the apply is killed, and does so when the next one is at work."""
    fleet = hundred.fleet
    revision = hundred.rollout(BODIES["program"])
    first = fleet.start("apply", "--auto-approve")
    with killed_at_last([first]):
        until(lambda: bool(programs(first)))
        (orphan,) = programs(first)
        os.kill(orphan, signal.SIGSTOP)
        time.sleep(0.2)  # it has its job by now
        first.kill()
        first.wait()
        second = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "run-opened:1:stop"})
        with killed_at_last([second]):
            until(lambda: stopped(second))
            os.kill(orphan, signal.SIGCONT)
            until(lambda: gone(orphan))
            os.kill(second.pid, signal.SIGCONT)
            out, err = second.communicate(timeout=90)
    assert second.returncode == 0, out + err
    hundred.finished(revision)


def gone(process: int) -> bool:
    """Whether a process has ended, even if nobody has asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextmanager
def watching(fleet: Fleet, database: str) -> Iterator[None]:
    """Another session in the middle of a transaction that sees a database as it was: an index that is built waits for it."""
    with fleet.connect(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT FROM pg_class")
        yield
        connection.execute("COMMIT")


def test_killed_while_the_server_builds_an_index(hundred: Hundred) -> None:
    """The server goes on building without its client: refused while the index is INVALID, and not built again when it is not."""
    fleet = hundred.fleet
    database = fleet.database("org-050")
    revision = hundred.rollout(BODIES["marked"])
    building = (
        "SELECT FROM pg_stat_activity WHERE datname = %s AND query ~ '^CREATE INDEX CONC' AND wait_event_type = 'Lock'"
    )
    with watching(fleet, database), killed_at_last([apply := fleet.start("apply", "--auto-approve")]):
        until(lambda: fleet.rows(building, database, database="postgres") != [])
        apply.kill()
        apply.wait()
        refused = fleet.apply(code=3)
        assert database in refused.err and f'{revision}_a" is INVALID' in refused.err
    until(lambda: not tags(fleet))
    fleet.apply()
    hundred.finished(revision)


def tags(fleet: Fleet) -> set[str]:
    """Runs that have sessions on the server."""
    found = "SELECT application_name FROM pg_stat_activity WHERE starts_with(application_name, 'tp:')"
    return {row[0] for row in fleet.rows(found, database="postgres")}


def applied(fleet: Fleet, moment: float | None = None) -> tuple[int, str, float]:
    """An apply that is killed so many seconds after its first session: how it ended (-9), what it said, and when it did."""
    command = [sys.executable, "-m", "tenantplan", "apply", "--auto-approve"]
    environment = {**fleet.environment(), "PYTHONPATH": str(ROOT / "src")}
    known = tags(fleet)
    with (fleet.root / "said").open("w") as said:  # no pipe: what a killed run has started is not waited for
        process = subprocess.Popen(command, cwd=fleet.root, env=environment, stdout=said, stderr=said)
        until(lambda: process.poll() is not None or bool(tags(fleet) - known))
        began = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        process.kill()
        code = process.wait()
    return code, (fleet.root / "said").read_text(), time.monotonic() - began


def repair(fleet: Fleet) -> None:
    """Does what a blocker asks for where the build of an index was cut short."""
    for blocker in fleet.plan()["unreachable"]:
        asked = re.search(r"is INVALID.* (DROP INDEX CONCURRENTLY [^,]+),", blocker["message"])
        assert asked, blocker
        fleet.execute(asked[1], database=blocker["address"].rsplit("/", 1)[1])


@pytest.mark.parametrize("body", BODIES)
def test_killed_again_and_again_each_database_is_migrated_once(hundred: Hundred, body: str) -> None:
    """SIGKILL at random moments of a rollout, which is begun again until it ends by itself; then of a further one."""
    fleet = hundred.fleet
    seed = int(os.environ.get("FAULTS_SEED", 0)) or random.randrange(1, 10**6)
    chance = random.Random(seed)
    hundred.rollout(BODIES[body])
    length = 0.5 * applied(fleet)[2]
    kills: list[int] = []  # how many databases were behind after each
    while len(kills) < KILLS[body]:
        revision = hundred.rollout(BODIES[body])
        code = -signal.SIGKILL
        while code != 0:
            moment = chance.uniform(0, length) if len(kills) < KILLS[body] else None
            code, said, _ = applied(fleet, moment)
            if code == -signal.SIGKILL:
                kills.append(100 - done(fleet, revision))
                if len(kills) % 3 == 0:  # otherwise the next one begins while the server is still at work for this one
                    until(lambda: not tags(fleet))
                    assert hundred.planned() == hundred.behind(revision), f"FAULTS_SEED={seed}, kill {len(kills)}"
            elif code != 0:
                assert "INVALID" in said, f"FAULTS_SEED={seed}, after {len(kills)} kills: exit {code}\n{said}"
                until(lambda: not tags(fleet))
                repair(fleet)
        hundred.finished(revision)
    assert [left for left in kills if 0 < left < 100], f"FAULTS_SEED={seed}: none was killed at work, {kills}"
    fleet.run("drift")


def done(fleet: Fleet, revision: str) -> int:
    """How many organizations' databases are at a revision, as their stamps say."""
    found = fleet.rows(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE %s",
        f"o{fleet.id}\\_%",
        database="postgres",
    )
    return sum(stamp.decode(comment).get("revision") == revision for (comment,) in found)
