"""Whether an organization's data would be left behind: rows in its tenant tables, shared or dedicated."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from tenantplan.migration.running.version import NAMES as VERSION_TABLES
from tenantplan.postgres import guard
from tenantplan.postgres.connect import ROW_PATIENCE, Connection
from tenantplan.postgres.queries import query


def shared_rows(connection: Connection, organization_id: str) -> dict[str, int]:
    """Rows of one organization in each shared tenant table that has any.

    Row level security is forced on those tables, so the setting its policy reads names the organization: without it
    the owner would see no rows, and an occupied organization would look empty.
    """
    found: dict[str, int] = {}
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        found |= _of_organization(connection, _shared_tables(connection), organization_id)
    return found


def _shared_tables(connection: Connection) -> list[str]:
    tables = connection.execute(query("user_tables"), {"except": list(VERSION_TABLES)}).fetchall()
    return [table for table, shared, forced in tables if shared and forced]


def _of_organization(connection: Connection, tables: Sequence[str], organization_id: str) -> dict[str, int]:
    """Rows of one organization in those tables, as row level security shows them to their owner in this transaction."""
    found: dict[str, int] = {}
    guard.show_rows_of(connection, organization_id)
    for table in tables:
        statement = sql.SQL("SELECT count(*) FROM public.{} WHERE organization_id = %s").format(sql.Identifier(table))
        row = connection.execute(statement, [organization_id]).fetchone()
        if row and row[0]:
            found[table] = row[0]
    return found


def locked_shared_rows(connection: Connection, organization_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """The same of several, by organization, in the current transaction; nobody writes those tables until its end."""
    tables = _shared_tables(connection)
    _lock(connection, [("public", table) for table in tables])
    found = {each: _of_organization(connection, tables, each) for each in organization_ids}
    guard.show_rows_of(connection, "")
    return found


def _lock(connection: Connection, tables: Sequence[tuple[str, str]]) -> None:
    """Keeps writers out, and waits for those that are at work; not for long, since others queue behind it."""
    if tables:
        listed = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(listed))
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [ROW_PATIENCE])


def database_rows(connection: Connection, *, trusting: bool) -> dict[str, int]:
    """1 for each table of a dedicated database that holds any row; tables of every schema and large objects count.

    `trusting` is that of guard.enter; raises CodeOfOthers.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        guard.enter(connection, trusting=trusting)
        return _with_rows(connection, _tables(connection))


def locked_database_rows(connection: Connection, *, trusting: bool) -> dict[str, int]:
    """The same in the current transaction; nobody writes those tables until its end."""
    guard.enter(connection, trusting=trusting)
    tables = _tables(connection)
    _lock(connection, tables)
    return _with_rows(connection, tables)


def _tables(connection: Connection) -> list[tuple[str, str]]:
    return connection.execute(query("tables_with_data"), {"except": list(VERSION_TABLES)}).fetchall()


def _with_rows(connection: Connection, tables: Sequence[tuple[str, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for schema, table in tables:
        statement = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(schema, table))
        row = connection.execute(statement).fetchone()
        if row and row[0]:
            found[table if schema == "public" else f"{schema}.{table}"] = 1
    if connection.execute("SELECT FROM pg_largeobject_metadata LIMIT 1").rowcount:
        found["large objects"] = 1
    return found
