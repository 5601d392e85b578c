"""DROP DATABASE for a role that is no superuser, whatever is at work inside."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


def drop_database(connection: Connection, name: str) -> None:
    """Drops a database, if it is there, and ends the sessions in it.

    FORCE ends sessions at once, but PostgreSQL (15 to 18) refuses it to anybody but a superuser while autovacuum is at work in
    the database. A plain DROP DATABASE ends autovacuum, and waits five seconds for sessions to end by themselves.
    Raises psycopg.errors.InsufficientPrivilege when the database, or a session in it, is not the role's.
    """
    plain = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        connection.execute(plain + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        try:
            connection.execute(plain)
        except psycopg.errors.ObjectInUse:  # so it is the role's own database
            connection.execute(query("terminate_sessions"), {"database": name})
            connection.execute(plain)
