"""The first apply: the main database appears with the control plane, its journal and the audit entries of its own making.

It is built under a temporary name and renamed at the end, so a crash leaves nothing that looks like a main database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg import sql

from tenantplan.apply.context import Run
from tenantplan.apply.effects.new_databases import creates
from tenantplan.apply.effects.server_objects import restamp
from tenantplan.ddl import statements
from tenantplan.ddl.statements import temporary
from tenantplan.failpoint import reach
from tenantplan.journal import record
from tenantplan.migration.running.fault import faults
from tenantplan.migration.running.sending import present_groups, run_statements
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Schema, afters
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.databases import drop_database


def bootstrap(
    run: Run, maintenance: Connection, first: Sequence[Operation], all_operations: Sequence[Operation]
) -> None:
    """Makes the main database of a fleet by the operations `first`, and opens the run's journal in it.

    `maintenance` is a session on another database of the server, holding the gate. Raises psycopg.Error or MigrationError
    with nothing left but a temporary database that the next attempt clears. A main database that exists and is empty is filled
    in place.
    """
    if not creates(first[0]):
        with run.connector.connect(MAIN, run.main_database) as inside, inside.transaction():
            for operation, _ in afters(first, Database):
                inside.execute(sql.SQL("; ").join(statements.database(operation)))
            _fill(run, inside, first, all_operations)
            restamp(run, inside, run.main_database, {})
        return
    name = temporary(first[0])
    drop_database(maintenance, name)
    maintenance.execute(statements.copied(sql.Identifier(name), statements.TEMPLATE0))
    reach("bootstrap-created")
    with maintenance.transaction():
        maintenance.execute(statements.opened(name))
    with run.connector.connect(MAIN, name) as inside, inside.transaction():
        _fill(run, inside, first, all_operations)
        reach("bootstrap-migrated")
    with maintenance.transaction():
        final = sql.Identifier(run.main_database)
        maintenance.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), final))
        maintenance.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(final))
        restamp(run, maintenance, run.main_database, {})
    reach("bootstrap-renamed")


def _fill(run: Run, inside: Connection, first: Sequence[Operation], all_operations: Sequence[Operation]) -> None:
    for operation, schema in afters(first, Schema):
        with faults(operation.in_steps, 0, f"database {run.main_database}", run.migrator.file(schema.tree)):
            run_statements(inside, operation.statements)
    table = sql.Identifier("public", run.migrator.tables.name("main"))
    for group in present_groups(inside, run.migrator.groups):
        inside.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(table, sql.Identifier(group)))
    author = replace(run.author, epoch=0)  # the lease's first epoch
    record.open_run(author, inside, all_operations)
    record.done(author, inside, first)
