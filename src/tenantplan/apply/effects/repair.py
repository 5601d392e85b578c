"""Repairs: the planned statements in one transaction, between two fingerprints."""

from __future__ import annotations

from functools import partial

import psycopg

from tenantplan.apply.context import Run
from tenantplan.apply.effects.effect import Performed
from tenantplan.apply.effects.server_objects import restamp
from tenantplan.errors import MigrationError, SchemaMismatch
from tenantplan.failpoint import reach
from tenantplan.journal.recover import Open
from tenantplan.migration.running.target import MigrationSession, MigrationTarget, Version
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Resource, Schema, expect, one
from tenantplan.model.site import beginning
from tenantplan.postgres import guard
from tenantplan.postgres.connect import Connection


def happened(item: Open, have: Resource | None) -> bool:
    """Whether the repair that an interrupted run left open is there: the stamp names the last one."""
    schema = one(have, Schema)
    return schema is not None and schema.repaired == item.op_id


def performed(run: Run, main: Connection, operation: Operation) -> Performed:
    """Brings one schema back, and its stamp, or changes nothing.

    Raises SchemaMismatch when it is not what the plan saw, MigrationError when the statements did not lead where they were to,
    psycopg.Error or ConnectError.
    """
    after = expect(operation.after, Schema)
    with run.connector.connect(after.server, after.database) as connection:
        run.migrator.patiently(partial(_at_once, run, connection, operation, after))
    reach("schema-repaired")
    return Performed(connected=True)


def _at_once(run: Run, connection: Connection, operation: Operation, after: Schema) -> None:
    assert operation.schema is not None
    before, wanted, whole = operation.schema
    place = MigrationTarget(run.connector, after.server, after.database, after.tree)
    with connection.transaction():
        run.migrator.expect(MigrationSession(connection, place), Version(after.revision, after.halfway), careful=True)
        if run.fingerprint(connection) != before:
            raise SchemaMismatch(
                "its schema changed after the plan was made",
                where=f"database {after.database}",
                hint="plan the repair again: tenantplan drift --repair --out plan.json",
            )
        for number, statement in enumerate(operation.statements, start=1):
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                error.add_note(f"at statement {number} of {len(operation.statements)} ({beginning(statement)})")
                raise
        connection.execute(guard.LEAVE)
        if run.fingerprint(connection) != wanted:
            raise MigrationError(
                "the repair did not produce the planned schema; nothing was changed",
                where=f"database {after.database}",
                hint="see tenantplan drift; write the rest by hand",
            )
        facts = {"revision": after.revision, "halfway": after.halfway, "repaired": operation.id}
        facts |= {"changed": None} if whole else {}
        restamp(run, connection, after.database, facts)
