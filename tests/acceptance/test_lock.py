"""The fleet's lock is nobody's but tenantplan's, is made by whoever comes first, and holds no transaction open."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.test_faults_concurrency import killed_at_last, stopped, until
from psycopg import sql

from tenantplan.postgres.lock import KEY
from tenantplan.postgres.lock_database import lock_database

PASSWORD = "Vf4-quite-a-long-password"
LOGIN = "password: { env: LOGIN_PASSWORD }"
DEDICATED = f"database: {{ mode: dedicated, {LOGIN} }}"
BOUND = f"database: {{ mode: shared, login: true, {LOGIN} }}"


def _take_everything(stack: ExitStack, fleet: Fleet, user: str, databases: list[str]) -> None:
    """Sessions of a login that hold each key of tenantplan's in each database that it can connect to."""
    for database in databases:
        session = stack.enter_context(fleet.server.connect(user, database, PASSWORD))
        for key in (KEY, KEY ^ 0x150, KEY ^ zlib.crc32(fleet.main_database.encode())):
            session.execute("SELECT pg_try_advisory_lock(%s)", [key])


def test_a_tenant_cannot_lock_the_fleet(fleet: Fleet) -> None:
    fleet.env["LOGIN_PASSWORD"] = PASSWORD
    fleet.organization("acme", DEDICATED)
    fleet.organization("beta", BOUND)
    fleet.apply()
    own = fleet.database("acme")
    with ExitStack() as stack:
        _take_everything(stack, fleet, f"{own}_app", ["postgres", own])
        _take_everything(stack, fleet, f"{fleet.database('beta')}_app", ["postgres", fleet.main_database])
        for user in (f"{own}_app", f"{fleet.database('beta')}_app"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                fleet.server.connect(user, lock_database(fleet.main_database), PASSWORD)
        assert "Nothing is locked" in fleet.run("unlock").out
        assert "is running" not in fleet.run("status").out
        fleet.organization("care")
        fleet.apply()
        fleet.run("doctor", "--isolation", code=None)
    fleet.converged()
    assert not [a for a in fleet.plan()["orphans"] if "tp_lock" in str(a)]


def test_a_login_cannot_lock_out_a_first_apply(fleet: Fleet) -> None:
    name = f"o{fleet.id}_early"
    fleet.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'", database="postgres")
    fleet.organization("acme")
    with ExitStack() as stack:
        _take_everything(stack, fleet, name, ["postgres"])
        fleet.apply()
    fleet.converged()


@pytest.mark.parametrize("left", ["nothing", "closed", "open to PUBLIC"])
def test_several_who_come_first(fleet: Fleet, left: str) -> None:
    """One wins, the others find it at work, or done; whatever an earlier version or a killed process has left."""
    fleet.organization("acme")
    name = sql.Identifier(lock_database(fleet.main_database))
    if left != "nothing":
        with fleet.server.connect() as admin:
            closed = sql.SQL(" ALLOW_CONNECTIONS false" if left == "closed" else "")
            admin.execute(sql.SQL("CREATE DATABASE {}").format(name) + closed)
    for number in range(2):
        if number:  # a fleet of an earlier version has none
            fleet.execute(f"DROP DATABASE {lock_database(fleet.main_database)}", database="postgres")
            fleet.organization("beta")
        racing = [fleet.start("apply", "--auto-approve") for _ in range(3)]
        ended = [_ended(process) for process in racing]
        assert {code for code, _ in ended} <= {0, 4, 6}, ended  # 4: another was done between the plan and the lock
        assert all("changed after the plan was made" in err for code, err in ended if code == 4), ended
        assert 0 in {code for code, _ in ended}
        fleet.converged()
    public = "SELECT has_database_privilege('public', %s, 'CONNECT')"
    assert fleet.rows(public, lock_database(fleet.main_database)) == [(False,)]


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def test_an_apply_of_an_earlier_version_is_waited_for(fleet: Fleet) -> None:
    """It holds its lock in the main database, as the same role."""
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("beta")
    with fleet.server.connect(dbname=fleet.main_database) as earlier:
        earlier.execute("SELECT pg_advisory_lock(%s)", [KEY])
        assert f"server process {earlier.info.backend_pid}" in fleet.apply(code=6).err
    fleet.apply()


def test_no_transaction_stays_open_and_the_budget_is_kept(fleet: Fleet) -> None:
    fleet.settings("maxConnections: 3")
    fleet.organization("acme", "database: { mode: dedicated }")
    process = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "database-created:1:stop"})
    statement = "SELECT datname, state, xact_start FROM pg_stat_activity WHERE application_name LIKE 'tp:%%'"
    try:
        deadline = time.monotonic() + 60
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found = fleet.rows(statement, database="postgres")
        assert {row[0] for row in found} == {lock_database(fleet.main_database), fleet.main_database}
        assert [row[1:] for row in found if row[0] == lock_database(fleet.main_database)] == [("idle", None)]
    finally:
        os.kill(process.pid, signal.SIGCONT)
        assert _ended(process)[0] == 0
    fleet.converged()


@pytest.mark.once
def test_the_lock_outlives_the_servers_patience_with_idle_sessions(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.execute(
        f"ALTER DATABASE {lock_database(fleet.main_database)} SET idle_session_timeout = '50ms'", database="postgres"
    )
    fleet.organization("beta", "database: { mode: dedicated }")
    process = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "run-opened:1:stop"})
    with killed_at_last([process]):
        until(lambda: stopped(process))
        time.sleep(0.5)
        assert "another apply is running" in fleet.apply(code=6).err
        process.send_signal(signal.SIGCONT)
        assert _ended(process)[0] == 0
    fleet.converged()
