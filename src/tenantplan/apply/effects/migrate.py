"""Migrations: the planned steps in the database they are for, each with its version and its stamp."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tenantplan.apply.context import Run
from tenantplan.apply.effects.effect import Performed
from tenantplan.apply.effects.server_objects import stamping
from tenantplan.apply.effects.shared_tables import share
from tenantplan.errors import MigrationError
from tenantplan.migration.running.target import MigrationTarget, Version
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, expect, one
from tenantplan.model.step import Step
from tenantplan.postgres.connect import Connection

_OF_THE_CONTROL_PLANE = (
    "; the tenant tree runs in the main database for organizations in shared mode, and makes a table that is there already: if no"
    " organization is to have tables there, say shared: none in the fleet file"
)


def migrate(run: Run, operation: Operation) -> None:
    """Brings one database to its revision, or leaves it where a step failed, marked. Of an organization's or tenant's own database,
    the template of the new revision is built first: what fails there is done nowhere.

    Raises psycopg.Error, ConnectError, SchemaMismatch or MigrationError.
    """
    before, after = one(operation.before, Schema), expect(operation.after, Schema)
    if operation.in_own_database and after.server in run.servers.versions:
        run.servers.template(after.server)
    start = Version(before.revision, before.halfway) if before is not None else Version()

    def stamp(name: str, comment: str | None, step: Step) -> list[sql.Composed]:
        if after.server not in run.servers.versions:
            return []  # nobody stamps a database that an organization brought
        return [stamping(run, name, comment, _facts(after, step))]

    place = MigrationTarget(run.connector, after.server, after.database or None, after.tree, stamp)
    try:
        run.migrator.run(place, operation.in_steps, start)
    except MigrationError as error:
        if after.tree == "shared" and isinstance(error.__cause__, psycopg.errors.DuplicateTable):
            error.message += _OF_THE_CONTROL_PLANE
        raise
    if after.tree == "shared":
        with run.connector.connect(after.server, after.database or None) as connection, connection.transaction():
            share(connection)


def performed(run: Run, main: Connection, operation: Operation) -> Performed:
    """The migration as an effect."""
    migrate(run, operation)
    return Performed(connected=True)


def _facts(after: Schema, step: Step) -> dict[str, str | None]:
    if after.tree != "tenant":
        return {f"{after.tree}_revision": step.revision}
    return {"revision": step.revision, "halfway": step.mark}
