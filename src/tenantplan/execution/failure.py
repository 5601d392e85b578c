"""What is recorded and told of an operation that failed."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from tenantplan.errors import ConnectError, SchemaMismatch, TenantplanError
from tenantplan.execution import record, rows
from tenantplan.execution.context import Run
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.postgres.connect import Connection, describe


def failure(
    run: Run, main: Connection, remaining: Sequence[Operation], guilty: Operation, error: Exception
) -> list[Outcome]:
    """Records that an operation failed and that the others of its track, rolled back or not begun, were skipped."""
    status = "stale" if isinstance(error, (rows.Stale, SchemaMismatch)) else "failed"
    message = describe(error) if isinstance(error, psycopg.Error) else _told(error)
    message = "; ".join([message, *getattr(error, "__notes__", ())])
    unreachable = isinstance(error, ConnectError)
    record.failed(run, main, guilty, status, message, connected=not unreachable)
    record.skipped(run, main, [o for o in remaining if o is not guilty])
    return [Outcome(o, status, message, unreachable) if o is guilty else Outcome(o, "skipped") for o in remaining]


def _told(error: Exception) -> str:
    """An error in one line: what happened, and what to do."""
    if not isinstance(error, TenantplanError):
        return str(error)
    return ": ".join(part for part in (error.where, error.message, error.hint) if part)
