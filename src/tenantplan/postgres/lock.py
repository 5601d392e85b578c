"""One apply at a time: a session advisory lock, which dies with its process, and a lease with an epoch.

The lock is tried and never waited for: a waiting session would block CREATE INDEX CONCURRENTLY. It is taken in a database of
its own, since any role that can connect to a database can take any advisory lock there. A first apply takes the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import psycopg

from tenantplan.errors import ConnectError, Locked
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.lock_database import ensure_lock_database, lock_database
from tenantplan.postgres.queries import query
from tenantplan.postgres.run_sessions import untagged

KEY = 0x74656E616E747031  # "tenantp1"
PROOF = KEY ^ 0x150  # held by a proof of isolation
_TRIES = 10


@dataclass(frozen=True)
class Holder:
    """The session that holds a lock: its process id on the server, its tag, its address and since when (text)."""

    pid: int
    tag: str
    address: str
    since: str

    @property
    def run(self) -> str:
        """The id of the run that holds it, or else its tag."""
        return untagged(str(self.tag))


@contextmanager
def held(connector: Connector, fleet: str, main_database: str) -> Iterator[Connection]:
    """A session that holds the lock of a fleet for as long as it lives. Raises Locked when another one does."""
    with connector.connect(MAIN) as outside:
        name = ensure_lock_database(outside, fleet, main_database)
    with lock_session(connector, name) as connection:
        acquire(connector, connection, main_database)
        yield connection


@contextmanager
def lock_session(connector: Connector, name: str) -> Iterator[Connection]:
    """A session in the database of the lock, in no transaction, which the server does not end for being idle."""
    with connector.connect(MAIN, name) as connection:
        connection.execute("SET idle_session_timeout = 0")
        yield connection


def acquire(connector: Connector, connection: Connection, main_database: str, patience: float = 0.0) -> None:
    """Takes the lock for as long as the session lives; Locked, naming the holder, when somebody keeps it for more than
    `patience` seconds."""
    deadline = time.monotonic() + patience
    for attempt in count(1):
        mine = try_lock(connection, KEY)
        found = holder(connection, main_database)
        if mine and found is None:
            return
        if mine:  # an earlier version holds it in the main database
            connection.execute("SELECT pg_advisory_unlock(%s)", [KEY])
        if time.monotonic() >= deadline and (found is not None or attempt >= _TRIES):
            raise Locked(
                f"another apply is running: {_described(connector, main_database, found)}",
                hint="wait for it; if it hangs, `tenantplan unlock` ends its sessions",
            )
        time.sleep(0.02)


def check_held(connection: Connection) -> None:
    """Locked when the session that holds the lock was ended, as by `tenantplan unlock`.

    To be asked once the session that writes is there: from then on, who ends the one ends the other.
    """
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        raise Locked(
            "the session that held the fleet's lock was ended; nothing was changed",
            hint="see who holds it now: tenantplan status; else apply again",
        ) from error


def try_lock(connection: Connection, key: int) -> bool:
    """Whether the session holds the lock of a key now."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
    return row is not None and bool(row[0])


def holder(connection: Connection, main_database: str) -> Holder | None:
    """The session that holds the lock of a fleet now; `connection` is on any database of the main server."""
    asked = {"key": KEY, "lock": lock_database(main_database), "main": main_database}
    row = connection.execute(query("lock_holder"), asked).fetchone()
    if row is None:
        return None
    # PostgreSQL hides most of another role's session.
    since = row[3].strftime("%Y-%m-%d %H:%M:%S UTC") if row[3] else "a time that only its own role may see"
    return Holder(row[0], row[1] or "another role's session", row[2], since)


def take_over(connection: Connection, run_id: str, actor: str, host: str, pid: int) -> int:
    """Writes the lease in this run's name and returns its epoch; whoever held an older one must not write any more."""
    row = connection.execute(
        "UPDATE tenantplan.lease SET epoch = epoch + 1, run_id = %s, actor = %s, host = %s, pid = %s, acquired_at = now()"
        " WHERE id = 1 RETURNING epoch",
        [run_id, actor, host, pid],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _described(connector: Connector, main_database: str, found: Holder | None) -> str:
    if found is None:
        return "it has just ended"
    who = _lease(connector, main_database)
    return f"run {found.run}{who}, since {found.since}, server process {found.pid}"


def _lease(connector: Connector, main_database: str) -> str:
    """Who wrote the lease last, "" before the first apply has ended."""
    try:
        with connector.connect(MAIN, main_database, read_only=True) as main:
            exists = main.execute("SELECT to_regclass('tenantplan.lease') IS NOT NULL").fetchone()
            if exists is None or not exists[0]:
                return ""
            row = main.execute(
                "SELECT actor, host, pid FROM tenantplan.lease WHERE id = 1 AND actor IS NOT NULL"
            ).fetchone()
    except ConnectError:
        return ""
    return f" by {row[0]} on {row[1]} (process {row[2]})" if row else ""
