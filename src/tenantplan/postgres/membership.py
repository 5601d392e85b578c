"""Temporary membership in other roles: lasting memberships in every login role would make each privilege check of
tenantplan's role as slow as the fleet is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from psycopg import sql

from tenantplan.postgres.connect import Connection


def join(connection: Connection, roles: Iterable[str]) -> list[str]:
    """Makes the connected role a member of those that it is no member of yet, in the current transaction; their names.

    Raises psycopg.errors.InsufficientPrivilege where it may not.
    """
    rows = connection.execute(
        "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s) AND NOT pg_has_role(oid, 'USAGE') ORDER BY 1",
        [list(roles)],
    ).fetchall()
    joined = [row[0] for row in rows]
    for name in joined:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
    return joined


def leave(connection: Connection, roles: Iterable[str]) -> None:
    """Takes memberships back that `join` gave."""
    for name in roles:
        connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(name)))


@contextmanager
def acting_as(connection: Connection, role: str) -> Iterator[None]:
    """The session acts as a role, outside a transaction too, and no membership is ever committed, however the session ends.

    The server looks for the membership when the role is set, and not when the end of a transaction brings it back.
    """
    named = sql.Identifier(role)
    with connection.transaction():
        joined = join(connection, [role])
        connection.execute(sql.SQL("SET ROLE {}").format(named))
        connection.execute("SET LOCAL ROLE NONE")
        leave(connection, joined)
    try:
        yield
    finally:
        connection.execute("RESET ROLE")
