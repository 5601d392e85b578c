"""What is recorded and reported of an operation that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import assert_never

import psycopg

from tenantplan.apply.context import Run
from tenantplan.apply.effects.connections import saves_connection
from tenantplan.errors import ConnectError, SchemaMismatch, Stale, TenantplanError
from tenantplan.journal import record
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Database, Package, Role, Row, Schema, one
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection


def failure(
    run: Run, main: Connection, remaining: Sequence[Operation], guilty: Operation, error: Exception
) -> list[Outcome]:
    """Records that an operation failed and that the others of its track, rolled back or not begun, were skipped."""
    status = "stale" if isinstance(error, (Stale, SchemaMismatch)) else "failed"
    message = describe(error) if isinstance(error, psycopg.Error) else _one_line(error)
    message = "; ".join([message or type(error).__name__, *getattr(error, "__notes__", ())])
    unreachable = isinstance(error, ConnectError)
    record.failed(run.author, main, guilty, status, message, connected=not unreachable)
    record.skipped(run.author, main, [o for o in remaining if o is not guilty])
    held = any(
        isinstance(e, psycopg.errors.LockNotAvailable) for e in (error, error.__cause__)
    )  # a migration's says where
    alone = unreachable or (held and guilty.in_own_database)
    lost = {o.id: Outcome.lost(o, guilty.address) for o in remaining if o is not guilty}
    return [lost.get(o.id) or Outcome(o, status, message, alone) for o in remaining]


def held_back(
    run: Run, main: Connection, operations: Sequence[Operation], reasons: Mapping[str, str]
) -> Iterator[Outcome]:
    """Records that operations did not run since a database could not be looked into, by organization; `reasons` by id."""
    for _, group in groupby(sorted(operations, key=lambda o: o.scope), key=lambda o: o.scope):
        listed = list(group)
        guilty = next((o for o in listed if one(o.after, Schema) or saves_connection(o)), listed[0])
        yield from failure(run, main, listed, guilty, ConnectError(reasons[guilty.id], where=_place(run, guilty)))


def _place(run: Run, operation: Operation) -> str:
    """host:port of what an operation is about; "" for what is known by its reference only."""
    subject = operation.subject
    match subject:
        case Role() | Database() | Schema():
            server = run.connector.servers.get(subject.server)
            return server.place if server is not None else ""
        case Row() | Package():
            return ""
        case _:
            assert_never(subject)


def _one_line(error: Exception) -> str:
    """An error in one line: what happened, and what to do."""
    if not isinstance(error, TenantplanError):
        return str(error)
    return ": ".join(part for part in (error.where, error.message, error.hint) if part)
