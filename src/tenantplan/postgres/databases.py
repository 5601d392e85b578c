"""Databases of a server: which it has, which are in the making, and DROP DATABASE for a role that is no superuser."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tenantplan.model import stamp
from tenantplan.postgres import membership
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


def has_database(connection: Connection, name: str) -> bool:
    """Whether the connected server has a database of this name."""
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def drop_database(connection: Connection, name: str) -> None:
    """Drops a database, if it is there, and ends the sessions in it, whichever role's they are.

    FORCE ends sessions at once, but PostgreSQL (15 to 18) refuses it to anybody but a superuser while autovacuum is at work in
    the database, or a session of a role that the connected one is no member of. A plain DROP DATABASE ends autovacuum, and waits
    five seconds for sessions to end by themselves.
    Raises psycopg.errors.InsufficientPrivilege when the database, or a session in it, is not the role's.
    """
    named = sql.Identifier(name)
    try:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(named))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(named))
        end_sessions_in(connection, name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(named))


def end_sessions_in(connection: Connection, name: str) -> None:
    """Ends the sessions in a database that takes no more of them."""
    with connection.transaction(force_rollback=True):  # which takes the memberships back, and ends them all the same
        rows = connection.execute(query("roles_in_database"), {"database": name}).fetchall()
        membership.join(connection, [row[0] for row in rows])
        connection.execute(query("terminate_sessions"), {"database": name})


def temporary_databases(connection: Connection) -> list[tuple[str, str | None, bool]]:
    """Templates, and what is on its way to be a database: name, stamp, and whether a session of who makes it is there."""
    named = {"template": stamp.TEMPLATE, "new": stamp.NEW}
    return connection.execute(query("temporary_databases"), named).fetchall()
