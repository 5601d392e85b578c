"""Lives share their servers: what one has left, its attackers included, is dropped before the next."""

from __future__ import annotations

from psycopg import sql
from servers import TestServer


def swept(server: TestServer) -> None:
    """Drops every database and role but the server's own, and all that they own."""
    with server.superuser_connect() as session:
        databases = "SELECT datname::text FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"
        for (name,) in session.execute(databases).fetchall():
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        roles = "SELECT rolname::text FROM pg_roles WHERE rolname !~ '^(pg_|postgres$|tp_admin$)'"
        for (name,) in session.execute(roles).fetchall():
            session.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
