"""Executes operations of one track, in order: each with its journal entry, its effect, its outcome and its audit entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import groupby

import psycopg

from tenantplan.apply import closing, groups
from tenantplan.apply.context import Run
from tenantplan.apply.effects import (
    generated_passwords,
    new_databases,
    packages,
    prepared,
    purge,
    row_secrets,
    rows,
    server_objects,
)
from tenantplan.apply.effects.connections import saves_connection, try_connections
from tenantplan.apply.effects.migrate import migrate
from tenantplan.apply.effects.repair import repair
from tenantplan.apply.failure import failure
from tenantplan.apply.retrying import retrying
from tenantplan.ddl import statements
from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Database, Package, Row, Schema
from tenantplan.postgres.connect import Connection
from tenantplan.tables.storage import RELEASE


def execute(run: Run, main: Connection, operations: Sequence[Operation]) -> list[Outcome]:
    """Outcomes of the operations, in order. After the first that fails the rest are skipped.

    `main` is a session on the main database. Raises Locked when another run has taken over; nothing else escapes but
    the loss of the main database.
    """
    outcomes: list[Outcome] = []
    remaining = list(operations)
    for segment in _segments(operations):
        try:
            with run.holding(segment):
                _perform(run, main, segment)
                finished = closing.ended(run, main, _place(segment[0]), segment)
        except Locked:
            raise
        except (psycopg.Error, TenantplanError, rows.Stale) as error:
            if main.broken or main.closed:
                raise
            guilty = getattr(error, "operation", segment[0])
            return outcomes + failure(run, main, remaining, guilty, _explained(run, main, segment, error))
        outcomes += finished
        remaining = remaining[len(segment) :]
        if wrong := [outcome for outcome in finished if outcome.status != "done"]:
            record.skipped(run.author, main, remaining)
            return outcomes + [Outcome.lost(operation, wrong[0].operation.address) for operation in remaining]
    return outcomes


def _explained(run: Run, main: Connection, segment: list[Operation], error: Exception) -> Exception:
    place = _place(segment[0])
    try:
        with nullcontext(main) if place == MAIN else run.connector.connect(place) as there:
            return groups.explained(run, there, place, segment, error)
    except (psycopg.Error, TenantplanError):
        return error


def shareable(operations: Sequence[Operation]) -> bool:
    """Whether all of it can happen in one transaction of the main database (databases are made before it)."""
    return all(
        _place(o) == MAIN and not _alone(o) and saves_connection(o) is None and not generated_passwords.apart(o)
        for o in operations
    )


def execute_together(run: Run, main: Connection, operations: list[Operation]) -> list[Outcome] | None:
    """Outcomes of shareable operations of several tracks; None when one failed, and so none has happened."""
    try:
        with run.holding(operations):
            _perform(run, main, operations)
            return closing.ended(run, main, MAIN, operations)
    except Locked:
        raise
    except (psycopg.Error, TenantplanError, rows.Stale):
        if main.broken or main.closed:
            raise
        return None


def _segments(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Neighbours that can share one transaction: everything transactional on one server; the rest one by one."""
    for _, group in groupby(
        operations, key=lambda o: (_place(o), o.id if _alone(o) else "", generated_passwords.apart(o))
    ):
        yield list(group)


def _place(operation: Operation) -> str:
    resource = operation.after or operation.before
    return MAIN if isinstance(resource, (Row, Package)) or resource is None else resource.server


def _alone(operation: Operation) -> bool:
    return isinstance(operation.after, Schema) or _is_package(operation) or _drops(operation)


def _is_package(operation: Operation) -> bool:
    return isinstance(operation.after or operation.before, Package)


def _drops(operation: Operation) -> bool:
    return isinstance(operation.before, Database) and operation.after is None and not operation.retire


def _perform(run: Run, main: Connection, segment: list[Operation]) -> None:
    first = segment[0]
    place = _place(first)
    if isinstance(first.after, Schema):
        _inside(run, main, first, repair if first.schema else migrate)
    elif _is_package(first):
        _carry(run, main, first)
    elif _drops(first):
        _drop(run, main, first)
    elif generated_passwords.apart(first):
        _hand_out(run, main, place, segment)
    elif place == MAIN:
        purge.clear_left_behind(run, main, place, segment)
        tried = try_connections(run, segment)
        with closing.shut(run, main, place, main, segment), new_databases.created(run, place, main, segment):
            retrying(lambda: _commit(run, main, segment, tried), lambda: closing.clear_way(run, place, main, segment))
    else:
        _commit_apart(run, main, place, segment)


def _commit(run: Run, main: Connection, segment: list[Operation], tried: list[Operation]) -> None:
    """One transaction of the main database. Where rows exchange what is unique, that is checked at its end only.

    For those that were `tried`, a connection to an organization's database was made, which is audited too.
    """
    row_secrets.announce(run, main, segment)
    try:
        _commit_together(run, main, segment, tried)
    except psycopg.errors.UniqueViolation as error:
        if groups.is_conflict(error):
            raise
        try:
            _commit_together(run, main, segment, tried, deferred=True)
        except psycopg.errors.UniqueViolation:
            raise error from None  # which names the row at fault


def _commit_together(
    run: Run, main: Connection, segment: list[Operation], tried: list[Operation], deferred: bool = False
) -> None:
    """Effects, journal and audit. `deferred`: unique keys that can be are checked at the commit."""
    known = dict(run.ids)
    try:
        with _catalog(run, MAIN, segment), main.transaction():
            main.execute("SET LOCAL lock_timeout = '10s'")  # a session of the application may hold a row for ever
            record.check_epoch(main, run.author.epoch)
            if deferred:
                main.execute("SET CONSTRAINTS ALL DEFERRED")
            generated_passwords.issue(run, main, segment)
            row_secrets.take_back(run, main, segment)
            row_secrets.move(run, main, segment)
            run.check_shared(main, segment)
            _effects(run, main, segment)
            row_secrets.hand_over(run, main, segment)
            reach("effects-made")
            record.audit(run.author, main, [record.connection_fact(operation, "done") for operation in tried])
            run.close(main, row_secrets.settled(run, generated_passwords.settle(run, main, segment)))
    except BaseException:
        for operation in segment:  # ids of rows that were rolled back are not known any more
            if operation.address not in known:
                run.ids.pop(operation.address, None)
        raise
    reach("committed")


def _commit_apart(run: Run, main: Connection, place: str, segment: list[Operation]) -> None:
    """On another server than the main one: intent, effect, then outcome and audit entry."""
    record.intend(run.author, main, segment)
    purge.clear_left_behind(run, main, place, segment)
    if any(new_databases.creates(operation) for operation in segment):
        run.template(place)  # built before a session is taken: it needs one of the server's budget itself
    with (
        run.connector.connect(place) as there,
        closing.shut(run, main, place, there, segment),
        new_databases.created(run, place, there, segment),
    ):
        retrying(
            lambda: _effects_apart(run, there, place, segment), lambda: closing.clear_way(run, place, there, segment)
        )
    reach("remote-committed")
    _conclude(run, main, segment)


def _effects_apart(run: Run, there: Connection, place: str, segment: list[Operation]) -> None:
    with _catalog(run, place, segment), there.transaction():
        _effects(run, there, segment)


def _hand_out(run: Run, main: Connection, place: str, segment: list[Operation]) -> None:
    """Generated passwords that leave the main database's transaction: journaled, set, delivered, and then current."""
    with main.transaction():
        record.intend(run.author, main, segment)
        generated_passwords.issue(run, main, segment)
    reach("login-pending")
    with ExitStack() as stack:
        there = main if place == MAIN else stack.enter_context(run.connector.connect(place))
        with _catalog(run, place, segment), there.transaction():
            _effects(run, there, segment)
    reach("login-set")
    for operation in segment:
        try:
            generated_passwords.hand_over(run, operation)
        except TenantplanError as error:
            error.operation = operation  # type: ignore[attr-defined]
            raise
    _conclude(run, main, segment)


def _conclude(run: Run, main: Connection, segment: list[Operation]) -> None:
    """Outcome and audit entries of what has happened elsewhere."""
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        if not generated_passwords.apart(segment[0]):  # the rows of those follow when passwords are issued
            generated_passwords.follow_names(main, segment)
        run.close(main, generated_passwords.settle(run, main, segment))
    reach("committed")


def _effects(run: Run, connection: Connection, segment: list[Operation]) -> None:
    for operation in server_objects.make_together(run, connection, segment):
        resource = operation.after or operation.before
        try:
            (rows if isinstance(resource, Row) else server_objects).write(run, connection, operation)
        except (psycopg.Error, TenantplanError, rows.Stale) as error:
            error.operation = operation  # type: ignore[union-attr]  # the transaction is everybody's, the fault is this one's
            raise
    written = [
        o.after.values["version"] for o in segment if isinstance(o.after, Row) and o.after.table == RELEASE.table
    ]
    if written:
        packages.name_files(connection, written)


def _catalog(run: Run, place: str, segment: list[Operation]) -> AbstractContextManager[object]:
    """Serialises changes of a server's shared catalogs: PostgreSQL fails concurrent ones ("tuple concurrently updated")."""
    touches = any(not isinstance(o.after or o.before, Row) for o in segment)
    return run.catalog_locks[place] if touches else nullcontext()


def _inside(run: Run, main: Connection, operation: Operation, act: Callable[[Run, Operation], None]) -> None:
    """What happens in the database itself."""
    record.intend(run.author, main, [operation])
    act(run, operation)
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        run.close(main, [operation], connected=True)
    reach("committed")


def _carry(run: Run, main: Connection, operation: Operation) -> None:
    """A package: intent, the file into its store, then its record, outcome and audit entry."""
    record.intend(run.author, main, [operation])
    file_id = packages.carry(run, main, operation)
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        packages.write(run, main, operation, file_id)
        run.close(main, [operation])
    reach("committed")


def _drop(run: Run, main: Connection, operation: Operation) -> None:
    record.intend(run.author, main, [operation])
    place = _place(operation)
    opened = nullcontext(main) if place == MAIN else run.connector.connect(place)
    assert isinstance(operation.before, Database)
    with opened as connection:
        prepared.clear(run, connection, place, operation.before.name)
        for statement in statements.database(operation):
            connection.execute(statement)
    reach("database-dropped")
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        run.close(main, [operation])
    reach("committed")
