"""Queries that somebody wrote to find what is wrong: a row is bad news."""

from __future__ import annotations

from psycopg import sql

from tenantplan.postgres.connect import Connection

TIMEOUT = "60s"


def asked(connection: Connection, text: str, organization: str | None = None) -> bool:
    """Whether a query returns a row, asked read-only and taken back. `organization` is the id that row level security shows.

    Raises psycopg.Error.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL search_path = public, pg_temp")
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(TIMEOUT)))
        if organization is not None:
            connection.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [organization])
        return connection.execute(text.strip().rstrip(";").encode()).fetchone() is not None
