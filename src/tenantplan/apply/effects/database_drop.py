"""DROP DATABASE, which PostgreSQL does in no transaction."""

from __future__ import annotations

from contextlib import nullcontext

from tenantplan.apply.context import Run
from tenantplan.apply.effects import prepared
from tenantplan.apply.effects.effect import Performed
from tenantplan.ddl import statements
from tenantplan.failpoint import reach
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, expect
from tenantplan.postgres.connect import Connection


def drop(run: Run, main: Connection, operation: Operation) -> Performed:
    """Drops a database, and rolls back the prepared transactions that would keep it."""
    database, place = expect(operation.before, Database), operation.server
    with nullcontext(main) if place == MAIN else run.connector.connect(place) as there:
        prepared.clear(run, there, place, database.name)
        for statement in statements.database(operation):
            there.execute(statement)
    reach("database-dropped")
    return Performed()
