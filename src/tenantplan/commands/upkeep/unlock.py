"""Ends an apply that hangs: terminates its sessions, revokes its lease, and audits who did it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg

from tenantplan.errors import PrivilegeError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.provenance import author
from tenantplan.journal import record
from tenantplan.journal.facts import Fact
from tenantplan.model.address import MAIN, run
from tenantplan.postgres import lock
from tenantplan.postgres.connect import ROW_PATIENCE, Connection, Connector
from tenantplan.postgres.databases import has_database
from tenantplan.postgres.lock import Holder
from tenantplan.postgres.queries import query
from tenantplan.postgres.run_sessions import end_sessions, run_of


@dataclass(frozen=True)
class Held:
    """A lock that somebody holds. `newborn`: a first apply holds it, which has no main database and no audit log yet."""

    holder: Holder
    newborn: bool

    @property
    def run(self) -> str | None:
        """The id of the run that holds it; None when the session is not a run's."""
        return run_of(str(self.holder.tag))


def held(fleet: Fleet) -> Held | None:
    """Who holds the fleet's lock, or None. Read-only."""
    connector, name = fleet.connector, fleet.main_database
    with connector.connect(MAIN, read_only=True) as outside:
        exists = has_database(outside, name)
        holder = lock.holder(outside, name)
    if holder is None:
        return None
    return Held(holder, newborn=not (exists and _has_lease(connector, name)))


def _has_lease(connector: Connector, name: str) -> bool:
    with connector.connect(MAIN, name, read_only=True) as connection:
        row = connection.execute("SELECT to_regclass('tenantplan.lease') IS NOT NULL").fetchone()
        return row is not None and bool(row[0])


def unlock(fleet: Fleet, found: Held) -> int | None:
    """Ends the holder's sessions on every server and takes its lease; the new epoch, None where there was no lease yet.

    Raises PrivilegeError when the sessions are another role's, Locked when somebody else takes the lock meanwhile.
    """
    connector, name = fleet.connector, fleet.main_database
    _end(connector, found)
    if found.newborn:
        return None
    with lock.held(connector, fleet.settings.fleet, name), connector.connect(MAIN, name) as control:
        writer = author(fleet.settings, found.run)
        with control.transaction():
            control.execute("SELECT set_config('lock_timeout', %s, true)", [ROW_PATIENCE])
            epoch = lock.take_over(control, writer.id, writer.actor.name, writer.actor.host, os.getpid())
            detail = f"ended server process {found.holder.pid} ({found.holder.tag}), lease epoch {epoch}"
            record.audit(
                writer,
                control,
                [Fact(run(writer.id), "unlock", "done", detail=detail)],
            )
    _end(connector, found)  # what it opened in the meantime: the epoch keeps it from writing
    return epoch


def _end(connector: Connector, found: Held) -> None:
    try:
        if found.run is not None:
            end_sessions(connector, list(connector.servers), [found.run])
        else:  # not a run's: that one session alone, others may have the same name
            with connector.connect(MAIN) as connection:
                _terminate(connection, found.holder.pid)
    except psycopg.errors.InsufficientPrivilege as error:
        raise PrivilegeError(
            f"server process {found.holder.pid} is another role's session",
            where=connector.servers[MAIN].place,
            hint=f"as that role or a superuser: SELECT pg_terminate_backend({found.holder.pid})",
        ) from error


def _terminate(connection: Connection, pid: int) -> None:
    connection.execute(query("terminate"), {"pids": [pid]})
    connection.execute(query("await_end"), {"pid": pid})
