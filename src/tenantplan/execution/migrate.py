"""Migrations: the planned statements in one transaction of the database they are for, with its version and its stamp."""

from __future__ import annotations

import random
import time

import psycopg
from psycopg import sql

from tenantplan.errors import SchemaMismatch
from tenantplan.execution.context import Run
from tenantplan.execution.failpoint import reach
from tenantplan.execution.objects import restamp
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema
from tenantplan.postgres.connect import Connection

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "15min"
ATTEMPTS = 5
VERSION_TABLES = {"main": "alembic_version", "tenant": "alembic_version", "shared": "alembic_version_tenant"}


def migrate(run: Run, connection: Connection, operation: Operation) -> None:
    """Brings one database to its revision, or leaves it as it was.

    Waits for table locks at most LOCK_TIMEOUT at a time, so that other sessions never queue longer behind it, and tries
    ATTEMPTS times with jittered pauses. Raises psycopg.Error or SchemaMismatch.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                _in_transaction(run, connection, operation)
                reach("tenant-migrated")
            reach("tenant-committed")
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt == ATTEMPTS:
                raise
            time.sleep(random.uniform(0.2, 0.6) * attempt)


def _in_transaction(run: Run, connection: Connection, operation: Operation) -> None:
    before, after = operation.before, operation.after
    assert isinstance(after, Schema)
    for name, value in (("lock_timeout", LOCK_TIMEOUT), ("statement_timeout", STATEMENT_TIMEOUT)):
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
    expected = before.revision if isinstance(before, Schema) else None
    found = current_revision(connection, after.tree)
    if found != expected:
        raise SchemaMismatch(
            f"is at revision {found or 'none'}, not at {expected or 'none'} as its stamp said",
            where=f"database {connection.info.dbname}",
            hint="see tenantplan drift; a fresh plan reads it again once its stamp is right",
        )
    run_statements(connection, operation.statements)
    close_version_table(connection, after.tree, run.groups)
    if after.server in run.versions:
        restamp(run, connection, connection.info.dbname, _facts(after))


def _facts(after: Schema) -> dict[str, str | None]:
    return {"revision": after.revision} if after.tree == "tenant" else {f"{after.tree}_revision": after.revision}


def run_statements(connection: Connection, statements: tuple[str, ...]) -> None:
    """Runs migration statements with the search_path that their authors expect."""
    connection.execute("SET LOCAL search_path = public, pg_temp")
    for statement in statements:
        connection.execute(statement.encode())
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")


def current_revision(connection: Connection, tree: str, *, lock: bool = True) -> str | None:
    """The revision in the database's own version table, locked against another migration; None when there is none."""
    table = VERSION_TABLES[tree]
    exists = connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()
    if exists is None or exists[0] is None:
        return None
    locking = sql.SQL(" FOR UPDATE" if lock else "")
    statement = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier("public", table)) + locking
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


def close_version_table(connection: Connection, tree: str, groups: tuple[str, str]) -> None:
    """Takes the version table from the application's roles: default privileges would let them write it."""
    name = sql.Identifier("public", VERSION_TABLES[tree])
    present = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(groups)]).fetchall()
    for (group,) in present:
        connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(name, sql.Identifier(group)))
