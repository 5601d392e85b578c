"""Queries that somebody wrote to find what is wrong: a row is bad news."""

from __future__ import annotations

from tenantplan.postgres import guard
from tenantplan.postgres.connect import Connection

TIMEOUT = 60_000  # ms


def asked(connection: Connection, text: str, organization: str | None = None, *, trusting: bool = False) -> bool:
    """Whether a query returns a row, asked read-only and taken back. `organization` is the id that row level security shows.

    `trusting` is that of guard.enter. Raises psycopg.Error, or CodeOfOthers.
    """
    with connection.transaction(force_rollback=True):
        guard.enter(connection, trusting=trusting, statement_timeout=TIMEOUT)
        connection.execute("SET LOCAL search_path = public, pg_temp; SET TRANSACTION READ ONLY")
        if organization is not None:
            connection.execute("SELECT pg_catalog.set_config('tenantplan.organization_id', %s, true)", [organization])
        return connection.execute(text.strip().rstrip(";").encode()).fetchone() is not None
