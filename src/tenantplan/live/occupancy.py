"""Whether an organization's data would be left behind: rows in its tenant tables, shared or dedicated."""

from __future__ import annotations

from psycopg import sql

from tenantplan.postgres import guard
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

_CONTROL_ONLY = ["alembic_version", "alembic_version_tenant"]


def shared_rows(connection: Connection, organization_id: str) -> dict[str, int]:
    """Rows of one organization in each shared tenant table that has any.

    Row level security is forced on those tables, so the setting its policy reads names the organization: without it
    the owner would see no rows, and an occupied organization would look empty.
    """
    found: dict[str, int] = {}
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [organization_id])
        for table, shared, forced in connection.execute(query("user_tables"), {"except": _CONTROL_ONLY}).fetchall():
            if not (shared and forced):
                continue
            statement = sql.SQL("SELECT count(*) FROM public.{} WHERE organization_id = %s").format(
                sql.Identifier(table)
            )
            row = connection.execute(statement, [organization_id]).fetchone()
            if row and row[0]:
                found[table] = row[0]
    return found


def database_rows(connection: Connection, *, trusting: bool) -> dict[str, int]:
    """1 for each table of a dedicated database that holds any row; every table of schema public counts.

    `trusting` is that of guard.enter; raises CodeOfOthers.
    """
    found: dict[str, int] = {}
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        guard.enter(connection, trusting=trusting)
        for table, _, _ in connection.execute(query("user_tables"), {"except": _CONTROL_ONLY}).fetchall():
            statement = sql.SQL("SELECT EXISTS (SELECT FROM public.{})").format(sql.Identifier(table))
            row = connection.execute(statement).fetchone()
            if row and row[0]:
                found[table] = 1
    return found
