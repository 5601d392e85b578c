"""Attempts at the fleet's lock: its key is published, and any role may take any advisory lock of a database it can connect to."""

from __future__ import annotations

from contextlib import suppress

from tenantplan.commands.isolation.attempt import LEAK, REFUSED, UNTRIED, Stand, Tried
from tenantplan.errors import ConnectError, Locked
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection, Connector

_TRIED = 10  # databases; the lock is in one


def lock_out(stand: Stand, connector: Connector, holding: Connection, main_database: str, lock_name: str) -> Tried:
    """The keys are taken in each database that lets the role in, and the fleet's lock, by `holding`, all the same."""
    what = "lock the fleet out"
    taken: list[str] = []
    names = [name for (name,) in stand.rows("open_databases")]
    for name in sorted(names, key=lambda name: (name != lock_name, name))[:_TRIED]:
        with suppress(ConnectError), connector.connect(stand.session.info.user, name) as session:
            lock.tried(session, lock.KEY)
            lock.tried(session, lock.PROOF)
            taken.append(name)
            mine = session.info.backend_pid
            try:
                lock.acquire(connector, holding, main_database)
            except Locked:
                found = lock.holder(holding, main_database)
                if found is None or found.pid == mine:
                    return stand.line(what, LEAK, f"took it in database {name}")
                return stand.line(what, UNTRIED, "an apply holds the lock")
            holding.execute("SELECT pg_advisory_unlock(%s)", [lock.KEY])
    return stand.line(what, REFUSED, f"took its keys in {', '.join(taken[:5])}; the lock was free all the same")
