"""CREATE DATABASE, the one step PostgreSQL does not do in a transaction: under a temporary name, before the transaction that makes
it real. What it leaves after a crash is found by its name: the operation's id, journaled when the run was opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from tenantplan.apply.blame import blame
from tenantplan.apply.context import Run
from tenantplan.ddl import statements
from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, one
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.databases import drop_database


def creates(operation: Operation) -> bool:
    """Whether the operation makes a database."""
    return operation.before is None and one(operation.after, Database) is not None


@contextmanager
def built(run: Run, place: str, segment: Sequence[Operation]) -> Iterator[None]:
    """Makes those databases of a segment that are no copies, in sessions of its own, one at a time: see `created`."""
    ours = [operation for operation in segment if creates(operation) and not operation.clone]
    try:
        if ours:
            run.servers.template(place)  # what fails there is done nowhere, and drift compares with it
        for operation in ours:
            with run.servers.creations[place]:
                try:
                    run.servers.build(place, statements.temporary(operation))
                except (psycopg.Error, TenantplanError) as error:
                    blame(error, operation)
                    raise
        yield
    except Locked:
        raise
    except (psycopg.Error, TenantplanError):
        with suppress(psycopg.Error, TenantplanError):
            if ours:
                with run.connector.connect(place) as there:
                    _drop(there, ours)
        raise


@contextmanager
def created(run: Run, place: str, there: Connection, segment: Sequence[Operation]) -> Iterator[None]:
    """Makes the databases of a segment on a server that are copies of the template; they are dropped again when what follows fails.

    Those of a lost session or run are for the next run to collect.
    """
    creations = [operation for operation in segment if creates(operation) and operation.clone]
    try:
        for operation in creations:
            template = run.servers.template(place)
            with run.servers.creations[place]:
                _create(there, operation, template)
            reach("database-created")
        yield
    except Locked:
        raise
    except (psycopg.Error, TenantplanError):
        with suppress(psycopg.Error):
            _drop(there, creations)
        raise


def _drop(there: Connection, creations: Sequence[Operation]) -> None:
    for operation in creations:
        drop_database(there, statements.temporary(operation))


def _create(there: Connection, operation: Operation, template: statements.Template) -> None:
    [statement] = statements.creation(operation, template)
    try:
        there.execute(statement)
    except psycopg.errors.DuplicateDatabase:  # an earlier attempt left it behind
        drop_database(there, statements.temporary(operation))
        there.execute(statement)
