"""Migrations of several databases, one after the other, whose records are written together."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psycopg

from tenantplan.apply.context import Run
from tenantplan.apply.effects.migrate import migrate
from tenantplan.apply.failure import failure
from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.model.operation import Operation
from tenantplan.model.report import Outcome
from tenantplan.postgres.connect import Connection


def only_migrates(operations: Sequence[Operation]) -> bool:
    """Whether all of it is migrations of databases other than the main one."""
    return all(o.action == "migrate" and o.in_own_database for o in operations)


def execute_migrations(
    run: Run, main: Connection, operations: Sequence[Operation], halt: threading.Event
) -> list[Outcome]:
    """Outcomes up to the first that failed, with it, or until others failed and `halt` is set; the rest was not begun.

    No intent is journaled: what a database is at says whether a migration has happened, and that is what a next run looks at.
    """
    done: list[Operation] = []
    for operation in operations:
        if done and halt.is_set():
            break
        record.check_epoch(main, run.author.epoch)
        try:
            migrate(run, operation)
        except Locked:
            raise
        except (psycopg.Error, TenantplanError) as error:
            _record(run, main, done)
            if main.broken or main.closed:
                raise
            return [*_outcomes(done), *failure(run, main, [operation], operation, error)]
        done.append(operation)
    _record(run, main, done)
    return _outcomes(done)


def _outcomes(done: Sequence[Operation]) -> list[Outcome]:
    return [Outcome(operation, "done") for operation in done]


def _record(run: Run, main: Connection, done: Sequence[Operation]) -> None:
    if done:
        with main.transaction():
            record.check_epoch(main, run.author.epoch)
            run.close(main, done, connected=True)
        reach("committed")
