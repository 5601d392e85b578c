"""`unlock`: a hanging apply is ended, cannot write any more, and the next one finishes its work."""

from __future__ import annotations

import os
import signal
import time

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.test_faults_concurrency import killed_at_last, stopped, until

from tenantplan.postgres.lock import KEY
from tenantplan.postgres.lock_database import ensure_lock_database, lock_database

pytestmark = pytest.mark.once


def _wait(fleet: Fleet) -> None:
    deadline = time.monotonic() + 30
    statement = (
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = %s)"
    )
    while not fleet.rows(statement, lock_database(fleet.main_database), database="postgres"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_held_is_said(fleet: Fleet) -> None:
    fleet.organization("acme")
    assert "Nothing is locked" in fleet.run("unlock").out
    fleet.apply()
    assert "Nothing is locked" in fleet.run("unlock").out


def test_a_stopped_apply_is_ended_and_the_next_one_finishes(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    for name in ("msf", "unicef", "care"):
        fleet.organization(name, "database: { mode: dedicated }")
    before = fleet.rows("SELECT epoch FROM tenantplan.lease")[0][0]
    hanging = fleet.start("apply", "--auto-approve", "--parallelism", "1")
    try:
        _wait(fleet)
        hanging.send_signal(signal.SIGSTOP)
        refused = fleet.run("unlock", code=1)
        assert "no terminal to confirm on" in refused.err
        assert "tp:" in refused.out
        assert fleet.rows("SELECT epoch FROM tenantplan.lease")[0][0] <= before + 1
        fleet.apply(code=6)
        said = fleet.run("unlock", "--force").out
        assert "Ended." in said
        assert "Nothing is locked" in fleet.run("unlock", "--force").out
        operations = fleet.rows("SELECT count(*) FROM tenantplan.audit_log")
        os.kill(hanging.pid, signal.SIGCONT)
        out, err = hanging.communicate(timeout=60)
        assert hanging.returncode not in (0, None), out
        assert "Traceback" not in err
        assert fleet.rows("SELECT count(*) FROM tenantplan.audit_log") == operations
    finally:
        if hanging.poll() is None:
            hanging.kill()
            hanging.communicate()
    entry = fleet.run("audit", "list", "--action", "unlock", "--json").json
    assert len(entry) == 1
    assert entry[0]["address"] == f"run/{entry[0]['run_id']}"
    fleet.apply()
    fleet.converged()


def test_a_session_that_is_no_run_is_ended_alone(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    url = fleet.server.url(dbname=lock_database(fleet.main_database))
    with (
        psycopg.connect(url, application_name="psql") as other,
        psycopg.connect(url, application_name="psql") as holder,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        fleet.run("unlock", "--force")
        assert other.execute("SELECT 1").fetchone() == (1,)
        try:
            holder.execute("SELECT 1")
            raise AssertionError("the holder lives")
        except psycopg.OperationalError:
            pass


def test_another_roles_session_is_not_ended_and_said(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    with fleet.connect(lock_database(fleet.main_database)) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        err = fleet.run("unlock", "--force", code=1).err
    assert "another role's session" in err


def test_the_lock_of_a_first_apply(fleet: Fleet) -> None:
    fleet.organization("acme")
    tag = "tp:01234567-89ab-cdef-0123-456789abcdef"
    with fleet.server.connect() as outside:
        name = ensure_lock_database(outside, fleet.name, fleet.main_database)
    holder = psycopg.connect(fleet.server.url(dbname=name), application_name=tag, autocommit=True)
    holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
    said = fleet.run("unlock", "--force").out
    holder.close()
    assert tag in said
    assert "no lease yet" in said
    fleet.apply()


def test_a_first_apply_that_was_unlocked_does_not_go_on(fleet: Fleet) -> None:
    """It has made the main database, and has no session on it yet that would end with that of the lock."""
    fleet.organization("acme")
    hanging = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "bootstrap-renamed:1:stop"})
    with killed_at_last([hanging]):
        until(lambda: stopped(hanging))
        assert "Ended." in fleet.run("unlock", "--force").out
        hanging.send_signal(signal.SIGCONT)
        _, err = hanging.communicate(timeout=60)
    assert hanging.returncode == 6 and "the session that held the fleet's lock was ended" in err
    assert fleet.rows("SELECT count(*) FROM organizations") == [(0,)]
    fleet.apply()
    fleet.converged()
