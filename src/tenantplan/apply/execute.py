"""Executes operations of one track, in order: each with its journal entry, its effect, its outcome and its audit entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import groupby
from typing import assert_never

import psycopg

from tenantplan.apply import closing, groups
from tenantplan.apply.blame import blame, blamed
from tenantplan.apply.context import Run
from tenantplan.apply.effects import generated_passwords, new_databases, packages, purge, row_secrets, server_objects
from tenantplan.apply.effects.connections import saves_connection, try_connections
from tenantplan.apply.effects.effect import Alone, Together, TwoCommits
from tenantplan.apply.effects.table import effect
from tenantplan.apply.failure import failure
from tenantplan.apply.retrying import retrying
from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.journal.facts import connection_fact
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Row, afters
from tenantplan.postgres.connect import ROW_PATIENCE, Connection
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
                finished = closing.close_sessions(run, main, segment[0].server, segment)
        except Locked:
            raise
        except (psycopg.Error, TenantplanError) as error:
            if main.broken or main.closed:
                raise
            guilty = blamed(error) or segment[0]
            return outcomes + failure(run, main, remaining, guilty, _explained(run, main, segment, error))
        outcomes += finished
        remaining = remaining[len(segment) :]
        if wrong := [outcome for outcome in finished if outcome.status != "done"]:
            record.skipped(run.author, main, remaining)
            return outcomes + [Outcome.lost(operation, wrong[0].operation.address) for operation in remaining]
    return outcomes


def _explained(run: Run, main: Connection, segment: list[Operation], error: Exception) -> Exception:
    place = segment[0].server
    try:
        with nullcontext(main) if place == MAIN else run.connector.connect(place) as there:
            return groups.explained(run, there, place, segment, error)
    except (psycopg.Error, TenantplanError):
        return error


def shareable(operations: Sequence[Operation]) -> bool:
    """Whether all of it can happen in one transaction of the main database (databases are made before it)."""
    return all(o.server == MAIN and type(effect(o)) is Together and saves_connection(o) is None for o in operations)


def execute_together(run: Run, main: Connection, operations: list[Operation]) -> list[Outcome] | None:
    """Outcomes of shareable operations of several tracks; None when one failed, and so none has happened."""
    try:
        with run.holding(operations):
            _perform(run, main, operations)
            return closing.close_sessions(run, main, MAIN, operations)
    except Locked:
        raise
    except (psycopg.Error, TenantplanError):
        if main.broken or main.closed:
            raise
        return None


def _segments(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Neighbours that can share one transaction: everything transactional on one server; the rest one by one."""
    for _, group in groupby(operations, key=lambda o: (o.server, type(effect(o)), _alone(o))):
        yield list(group)


def _alone(operation: Operation) -> str:
    return operation.id if isinstance(effect(operation), Alone) else ""


def _perform(run: Run, main: Connection, segment: list[Operation]) -> None:
    first = segment[0]
    found = effect(first)
    match found:
        case Alone():
            _by_itself(run, main, first, found)
        case TwoCommits():
            _in_two_commits(run, main, first.server, segment)
        case Together() if first.server == MAIN:
            _on_main(run, main, segment)
        case Together():
            _elsewhere(run, main, first.server, segment)
        case _:
            assert_never(found)


def _by_itself(run: Run, main: Connection, operation: Operation, found: Alone) -> None:
    """Intent, effect, then outcome and audit entry."""
    record.intend(run.author, main, [operation])
    performed = found.perform(run, main, operation)
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        performed.write(main)
        run.close(main, [operation], connected=performed.connected)
    reach("committed")


def _on_main(run: Run, main: Connection, segment: list[Operation]) -> None:
    purge.clear_left_behind(run, main, MAIN, segment)
    tried = try_connections(run, segment)
    with (
        new_databases.built(run, MAIN, segment),
        closing.closed_meanwhile(run, main, MAIN, main, segment),
        new_databases.created(run, MAIN, main, segment),
    ):
        retrying(lambda: _commit(run, main, segment, tried), lambda: closing.clear_way(run, MAIN, main, segment))


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
            main.execute("SELECT set_config('lock_timeout', %s, true)", [ROW_PATIENCE])
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
            record.audit(run.author, main, [connection_fact(operation, "done") for operation in tried])
            run.close(main, row_secrets.settled(run, generated_passwords.settle(run, main, segment)))
    except BaseException:
        for operation in segment:  # ids of rows that were rolled back are not known any more
            if operation.address not in known:
                run.ids.pop(operation.address, None)
        raise
    reach("committed")


def _elsewhere(run: Run, main: Connection, place: str, segment: list[Operation]) -> None:
    """On another server than the main one: intent, effect, then outcome and audit entry."""
    record.intend(run.author, main, segment)
    purge.clear_left_behind(run, main, place, segment)
    if any(new_databases.creates(operation) for operation in segment):
        run.servers.template(place)  # built before a session is taken: it needs one of the server's budget itself
    with (
        new_databases.built(run, place, segment),
        run.connector.connect(place) as there,
        closing.closed_meanwhile(run, main, place, there, segment),
        new_databases.created(run, place, there, segment),
    ):
        retrying(
            lambda: _effects_elsewhere(run, there, place, segment),
            lambda: closing.clear_way(run, place, there, segment),
        )
    reach("remote-committed")
    _conclude(run, main, segment)


def _effects_elsewhere(run: Run, there: Connection, place: str, segment: list[Operation]) -> None:
    with _catalog(run, place, segment), there.transaction():
        _effects(run, there, segment)


def _in_two_commits(run: Run, main: Connection, place: str, segment: list[Operation]) -> None:
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
            blame(error, operation)
            raise
    _conclude(run, main, segment)


def _conclude(run: Run, main: Connection, segment: list[Operation]) -> None:
    """Outcome and audit entries of what has happened elsewhere."""
    with main.transaction():
        record.check_epoch(main, run.author.epoch)
        if not isinstance(effect(segment[0]), TwoCommits):  # the rows of those follow when passwords are issued
            generated_passwords.follow_names(main, segment)
        run.close(main, generated_passwords.settle(run, main, segment))
    reach("committed")


def _effects(run: Run, connection: Connection, segment: list[Operation]) -> None:
    for operation in server_objects.make_together(run, connection, segment):
        found = effect(operation)
        assert isinstance(found, Together)
        try:
            found.write(run, connection, operation)
        except (psycopg.Error, TenantplanError) as error:
            blame(error, operation)
            raise
    written = [row.values["version"] for _, row in afters(segment, Row) if row.table == RELEASE.table]
    if written:
        packages.name_files(connection, written)


def _catalog(run: Run, place: str, segment: list[Operation]) -> AbstractContextManager[object]:
    """Serialises changes of a server's shared catalogs: PostgreSQL fails concurrent ones ("tuple concurrently updated")."""
    touches = any(effect(o).catalog for o in segment)
    return run.servers.catalog_locks[place] if touches else nullcontext()
