"""Ends the sessions that closed logins and databases still have, after the transaction that closed them has committed.

Before the commit a session that is ended can come back at once. PostgreSQL looks at LOGIN when a session begins, so what began
before is ended until none is left. The same holds for transactions of pooled logins, which see the main database as it was when
they began.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import assert_never

import psycopg
from psycopg import sql

from tenantplan.apply.blame import blame
from tenantplan.apply.context import Run
from tenantplan.apply.effects.purge import dropped_roles
from tenantplan.apply.sessions import NOW, Ending, end_sessions, end_transactions
from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.journal.facts import fact
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Database, Package, Role, Row, Schema, befores, expect, one, sides
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


def close_sessions(run: Run, main: Connection, place: str, segment: Sequence[Operation]) -> list[Outcome]:
    """Outcomes of operations that have committed: done, or failed where sessions that should be over go on."""
    wanted = _endings(segment)
    closing = [o for o in segment if _closes_organization(o)]
    left: dict[str, str] = {}
    try:
        if wanted:
            left |= _end(run, main, place, wanted)
        if closing:
            why = end_transactions(run, main)
            left |= {o.id: why for o in closing} if why else {}
    except (psycopg.Error, TenantplanError) as error:
        if main.broken or main.closed:
            raise
        why = describe(error) if isinstance(error, psycopg.Error) else error.message
        names = {e.operation_id for e in wanted} | {o.id for o in closing}
        left = dict.fromkeys(names, f"closed, but it is not known whether its sessions have ended: {why}")
    _record(run, main, [(o, left[o.id]) for o in segment if o.id in left])
    return [Outcome(o, "failed", left[o.id]) if o.id in left else Outcome(o, "done") for o in segment]


def clear_way(run: Run, place: str, there: Connection, segment: Sequence[Operation]) -> None:
    """Ends sessions of roles that operations close, before the commit: one of them holds the role, as by a password that it gives
    itself in a transaction that does not end."""
    ids = {ending.operation_id for ending in _endings(segment)}
    wanted = [Ending(o.id, role.name) for o, role in befores(segment, Role) if o.id in ids]
    if wanted:
        end_sessions(run, place, there, wanted)


def close_sessions_again(run: Run, main: Connection, operations: Sequence[Operation]) -> list[Outcome]:
    """Outcomes, where they failed, of operations that an earlier run has done: it may have been interrupted before the end."""
    places = sorted({o.server for o in operations if _any(o)})
    found: list[Outcome] = []
    for place in places:
        here = [o for o in operations if _any(o) and o.server == place]
        found += [outcome for outcome in close_sessions(run, main, place, here) if outcome.status != "done"]
    return found


@contextmanager
def closed_meanwhile(
    run: Run, main: Connection, place: str, there: Connection, segment: Sequence[Operation]
) -> Iterator[None]:
    """Databases that get another name have no sessions meanwhile, and roles that are dropped have none.

    Whoever may connect to such a database may not from here on; the transaction that renames it lets in whom it should. When it
    fails, everybody may again.
    """
    renamed = [o for o in segment if _leaves_name(o)]
    dropped = [Ending(o.id, role=role.name) for o, role in dropped_roles(segment)]
    if dropped:
        _refuse(end_sessions(run, place, there, dropped), segment)
    if not renamed:
        yield
        return
    if place == MAIN:
        record.intend(run.author, main, renamed)
    names = [expect(o.before, Database).name for o in renamed]
    allowed = there.execute(query("database_connects"), {"names": names}).fetchall()
    with run.servers.catalog_locks[place]:
        _connects(there, "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM {}", allowed)
    reach("database-shut")
    try:
        databases = [Ending(o.id, database=name) for o, name in zip(renamed, names, strict=True)]
        _refuse(end_sessions(run, place, there, databases), segment)
        yield
    except Locked:
        raise
    except BaseException:
        with suppress(psycopg.Error), run.servers.catalog_locks[place]:
            _connects(there, "GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", allowed)
        raise


def _end(run: Run, main: Connection, place: str, wanted: Sequence[Ending]) -> dict[str, str]:
    if place == MAIN:
        return end_sessions(run, place, main, wanted)
    with run.connector.connect(place) as there:
        return end_sessions(run, place, there, wanted)


def _endings(segment: Sequence[Operation]) -> list[Ending]:
    """The sessions that are over once these operations have committed."""
    found: list[Ending] = []
    for operation in segment:
        before = operation.before
        match before:
            case Database():
                found += _shut_out(operation, before)
            case Role():
                found += _logged_out(operation, before)
            case Row() | Schema() | Package() | None:
                pass
            case _:
                assert_never(before)
    return found


def _shut_out(operation: Operation, before: Database) -> list[Ending]:
    """Sessions in a database to which nobody may connect any more."""
    after = one(operation.after, Database)
    if after is None or after.connect != ():
        return []
    lost = sorted({*(before.connect or ())} - {"PUBLIC"})
    return [Ending(operation.id, role, after.name, if_permitted=True) for role in lost]


def _logged_out(operation: Operation, before: Role) -> list[Ending]:
    """Sessions of a role that is closed, goes by another name, has another password, or whose former password's time is over."""
    after = one(operation.after, Role)
    if before.holder is None:
        return []
    if operation.retire or (after is not None and not after.login):
        return [Ending(operation.id, role=(after or before).name)]
    if after is None:
        return []
    if before.name != after.name or _has_another_password(before, after):
        return [Ending(operation.id, role=after.name, before=NOW)]
    if before.ends_before and not after.ends_before:
        return [Ending(operation.id, role=after.name, before=before.ends_before)]
    return []


def _has_another_password(before: Role, after: Role) -> bool:
    """Whether a password by reference was replaced: what logged in with the one before is over. Generated ones have their grace."""
    had, has = before.password, after.password
    replaced = had is not None and has is not None and has.target is None and had != has
    return replaced and before.login and after.login


def _closes_organization(operation: Operation) -> bool:
    """Whether an organization is not active or not in shared mode any more: no transaction that began before may write for it."""
    before, after = sides(operation, Row)
    if before is None or before.table != "organizations":
        return False
    if after is None:
        return operation.after is None
    suspended = before.values.get("state") != after.values.get("state") != "active"
    return suspended or before.values.get("database_mode") == "shared" != after.values.get("database_mode")


def _any(operation: Operation) -> bool:
    return bool(_endings([operation])) or _closes_organization(operation)


def _leaves_name(operation: Operation) -> bool:
    before, after = sides(operation, Database)
    return before is not None and (operation.retire or (after is not None and before.name != after.name))


def _refuse(left: dict[str, str], segment: Sequence[Operation]) -> None:
    """TenantplanError for the first operation in whose way sessions stand."""
    for operation in segment:
        if operation.id in left:
            error = TenantplanError(left[operation.id], hint="end them, and apply again")
            blame(error, operation)
            raise error


def _connects(connection: Connection, text: str, allowed: Sequence[tuple[str, list[str | None]]]) -> None:
    """Runs a GRANT or REVOKE for each database and those who may connect to it; None is PUBLIC."""
    for database, names in allowed:
        grantees = [sql.SQL("PUBLIC") if name is None else sql.Identifier(name) for name in names]
        connection.execute(sql.SQL(text).format(sql.Identifier(database), sql.SQL(", ").join(grantees)))


def _record(run: Run, main: Connection, left: Sequence[tuple[Operation, str]]) -> None:
    """The effect has happened and is recorded; that its sessions go on is audited beside it."""
    if left:
        with main.transaction():
            record.check_epoch(main, run.author.epoch)
            record.audit(run.author, main, [fact(o, "failed", why) for o, why in left])
