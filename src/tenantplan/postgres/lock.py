"""One apply at a time: a session advisory lock, which dies with its process, and a lease with an epoch.

The lock is tried and never waited for: a waiting session would block CREATE INDEX CONCURRENTLY. While the main database
does not exist yet, a gate of the same kind in the server's maintenance database stands in for it.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from itertools import count

from tenantplan.errors import Locked
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

KEY = 0x74656E616E747031  # "tenantp1": one lock per main database, since advisory locks belong to a database
_TRIES = 10


@dataclass(frozen=True)
class Holder:
    """The session that holds a lock: its process id on the server, its tag, its address and since when (text)."""

    pid: int
    tag: str
    address: str
    since: str


def gate_key(main_database: str) -> int:
    """The key of the gate that a first apply holds in the maintenance database."""
    return KEY ^ zlib.crc32(main_database.encode())


def acquire(connection: Connection, key: int = KEY, patience: float = 0.0) -> None:
    """Takes the lock for as long as the session lives; Locked, naming the holder, when somebody keeps it for more than
    `patience` seconds."""
    deadline = time.monotonic() + patience
    for attempt in count(1):
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        if row is not None and row[0]:
            return
        found = holder(connection, key)  # None: given back just now
        if time.monotonic() >= deadline and (found is not None or attempt >= _TRIES):
            raise Locked(
                f"another apply is at work: {_described(connection, key, found)}",
                hint="wait for it; if it hangs, `tenantplan unlock` ends its sessions",
            )
        time.sleep(0.02)


def holder(connection: Connection, key: int = KEY) -> Holder | None:
    """The session that holds the lock now."""
    row = connection.execute(query("lock_holder"), {"key": key}).fetchone()
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


def _described(connection: Connection, key: int, found: Holder | None) -> str:
    if found is None:
        return "it has just ended"
    who = ""
    exists = connection.execute("SELECT to_regclass('tenantplan.lease')").fetchone()
    if key == KEY and exists and exists[0]:
        row = connection.execute(
            "SELECT actor, host, pid FROM tenantplan.lease WHERE id = 1 AND actor IS NOT NULL"
        ).fetchone()
        who = f" by {row[0]} on {row[1]} (process {row[2]})" if row else ""
    return f"run {found.tag.removeprefix('tp:')}{who}, since {found.since}, server process {found.pid}"
