"""Connection poolers, which give each transaction another session: tenantplan needs to keep one."""

from __future__ import annotations

from tenantplan.errors import ConnectError
from tenantplan.postgres.connect import Connection

FOUND = "a connection pooler answers there"
ADVICE = "give the address of PostgreSQL itself: locks and prepared statements need a session"


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler answers in the server's place: then libpq's idea of the backend is not the server's own."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid


def refuse_pooler(connection: Connection, place: str) -> None:
    """Raises ConnectError where a pooler answers."""
    if is_pooled(connection):
        raise ConnectError(FOUND, where=place, hint=ADVICE)
