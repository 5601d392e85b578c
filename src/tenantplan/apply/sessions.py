"""Ends sessions of other roles, repeatedly until none is left, with memberships that are never committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.apply.context import Run
from tenantplan.model.address import MAIN
from tenantplan.model.listing import some
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

PATIENCE = 10.0  # seconds that sessions get to end, and transactions that began before
STARTING = 3.0  # seconds that a session which is being made gets to show whose it is
PAUSE = 0.02
SHOWN = 5
NOW = "now"


@dataclass(frozen=True)
class Ending:
    """What is to end for an operation: sessions of `role`, or sessions in `database`.

    `before`: only those that began until then, ISO 8601 or NOW. `if_permitted`: those that tenantplan's role may not end stay.
    """

    operation_id: str
    role: str | None = None
    database: str | None = None
    before: str | None = None
    if_permitted: bool = False


@dataclass(frozen=True)
class OpenSession:
    """A session that is to end: the operation that wants it, its process, role and database, and whether it may be ended here."""

    operation_id: str
    pid: int
    role: str
    database: str | None
    permitted: bool


def end_sessions(run: Run, place: str, connection: Connection, wanted: Sequence[Ending]) -> dict[str, str]:
    """Ends sessions on a server until none is left. Maps operations whose sessions go on to a sentence about them.

    A session that was being made when this began may have been let in before its login was closed, so it is waited for.
    """
    asked = Jsonb([e.__dict__ for e in _timed(connection, wanted)])
    spared = {e.operation_id for e in wanted if e.if_permitted}
    begun = time.monotonic()
    born = _starting(connection)
    while True:
        if born:
            born = born & _starting(connection) if time.monotonic() < begun + STARTING else set()
        left = _sessions(connection, asked)
        if left:
            left = _terminate(run, place, connection, asked, left)
            left = [s for s in left if s.permitted or s.operation_id not in spared]
        if not left and not born:
            return _prepared(connection, asked)
        if time.monotonic() > begun + PATIENCE:
            return _described(left)
        time.sleep(PAUSE)


def _timed(connection: Connection, wanted: Sequence[Ending]) -> list[Ending]:
    """The endings with the server's time for NOW, less the second that is added to every time that was written down."""
    if all(e.before != NOW for e in wanted):
        return list(wanted)
    row = connection.execute("SELECT (clock_timestamp() - interval '1 second')::text").fetchone()
    now = row[0] if row else None
    return [replace(e, before=now if e.before == NOW else e.before) for e in wanted]


def _starting(connection: Connection) -> set[int]:
    return {pid for (pid,) in connection.execute(query("starting_sessions")).fetchall()}


def _sessions(connection: Connection, asked: Jsonb, *, end: bool = False) -> list[OpenSession]:
    rows = connection.execute(query("end_sessions"), {"wanted": asked, "end": end}).fetchall()
    return [OpenSession(*row[:-1]) for row in rows]


def _terminate(
    run: Run, place: str, connection: Connection, asked: Jsonb, found: Sequence[OpenSession]
) -> list[OpenSession]:
    """Ends what was found, as far as tenantplan's role may; returns it.

    That takes being a member of the sessions' roles. Lasting memberships in every login would make each privilege check of
    tenantplan's role as slow as the fleet is large, so they are taken back with their transaction, before anyone sees them.
    """
    if all(session.permitted for session in found):
        return _sessions(connection, asked, end=True)
    with run.servers.catalog_locks[place], connection.transaction(force_rollback=True):
        _become(connection, sorted({session.role for session in found if not session.permitted}))
        return _sessions(connection, asked, end=True)


def _become(connection: Connection, roles: Iterable[str]) -> None:
    """Makes tenantplan's role a member of those roles that it may grant, in the current transaction."""
    for role in roles:
        try:
            with connection.transaction():
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject):
            continue  # somebody else's role, or gone


def terminate(connection: Connection, pids: Iterable[int], roles: Iterable[str]) -> set[int]:
    """Ends sessions of `roles` by their processes, as far as tenantplan's role may, as a member of those roles until then; returns
    which."""
    named = sorted(set(roles))
    with connection.transaction(force_rollback=True):
        _become(connection, named)
        rows = connection.execute(query("terminate_permitted"), {"pids": list(pids), "roles": named}).fetchall()
    return {pid for pid, ended in rows if ended}


def _prepared(connection: Connection, asked: Jsonb) -> dict[str, str]:
    """Prepared transactions have no session, and hold what they did until somebody ends them."""
    rows = connection.execute(query("prepared_transactions"), {"wanted": asked}).fetchall()
    text = "closed, but it has prepared transactions: {}; a superuser can end them (ROLLBACK PREPARED)"
    return {operation: text.format(some([str(gid) for gid in gids], SHOWN)) for operation, gids in rows}


def _described(left: Sequence[OpenSession]) -> dict[str, str]:
    found: dict[str, list[OpenSession]] = {}
    for session in left:
        found.setdefault(session.operation_id, []).append(session)
    return {operation: _sentence(sessions) for operation, sessions in found.items()}


def _sentence(sessions: Sequence[OpenSession]) -> str:
    roles = ", ".join(sorted({s.role for s in sessions}))
    many = f"{len(sessions)} session{'s' if len(sessions) != 1 else ''}"
    why = "" if all(s.permitted for s in sessions) else ", which tenantplan's role may not end"
    pids = some([str(s.pid) for s in sessions], SHOWN)
    return f"closed, but {many} of {roles} still open{why}: server processes {pids} (pg_terminate_backend ends them)"


def end_transactions(run: Run, main: Connection) -> str:
    """Waits for transactions of pooled logins that were open when this began; they may see an organization as it was before.

    What goes on for longer than PATIENCE is ended, as far as tenantplan's role may. Returns what goes on all the same, "" if
    nothing does.
    """
    if not main.execute("SELECT WHERE to_regclass('tenantplan.shared_roles') IS NOT NULL").rowcount:
        return ""
    open_ones = set(main.execute(query("pooled_transactions")).fetchall())

    def left() -> set[tuple[Any, ...]]:
        return open_ones.intersection(main.execute(query("pooled_transactions")).fetchall())

    if not _until(lambda: bool(open_ones) and bool(left())):
        return ""
    remaining = left()
    pids, roles = [row[0] for row in remaining], sorted({row[2] for row in remaining})
    with run.servers.catalog_locks[MAIN]:
        terminate(main, pids, roles)
    if not _until(lambda: bool(left())):
        return ""
    return (
        f"closed, but transactions of {', '.join(roles)} that began earlier are still running, and may write for it:"
        f" server processes {some([str(pid) for pid in pids], SHOWN)} (pg_terminate_backend ends them)"
    )


def _until(going_on: Callable[[], bool]) -> bool:
    """Whether it goes on after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while going_on():
        if time.monotonic() > deadline:
            return True
        time.sleep(PAUSE)
    return False
