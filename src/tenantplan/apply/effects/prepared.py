"""Prepared transactions that block a drop: they have no session, hold their locks, and keep their database from being dropped.

Only their role, acting in their database, may end them; a superuser may, too.
"""

from __future__ import annotations

from collections.abc import Collection

import psycopg
from psycopg import sql

from tenantplan.apply.context import Run
from tenantplan.ddl import statements
from tenantplan.errors import ConnectError, TenantplanError
from tenantplan.model.listing import some
from tenantplan.postgres import membership
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

_SHOWN = 5


def roll_back(inside: Connection, owners: Collection[str] | None = None) -> None:
    """Rolls back the prepared transactions of the connected database: those of `owners`, or all. Raises psycopg.Error."""
    for gid, owner in inside.execute(query("prepared_here")).fetchall():
        if owners is None or owner in owners:
            with membership.acting_as(inside, owner):
                inside.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))


def clear(run: Run, connection: Connection, place: str, database: str) -> None:
    """Rolls back what is prepared in a database that is to be dropped. `connection` is one of the server, in no transaction.

    Raises TenantplanError, with their names and what to do, where tenantplan may not.
    """
    if not _gids(connection, database):
        return
    connection.execute(statements.opened(database))
    try:
        with run.connector.connect(place, database) as inside:
            roll_back(inside)
    except (ConnectError, psycopg.Error) as error:
        gids = _gids(connection, database)
        raise TenantplanError(
            f"database {database} cannot be dropped: it has prepared transactions that tenantplan may not end:"
            f" {some(gids, _SHOWN)}",
            where=run.connector.servers[place].place,
            hint=f"as a superuser, in database {database}: "
            + "; ".join(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)).as_string() for gid in gids[:_SHOWN])
            + "; then apply again",
        ) from error
    finally:
        connection.execute(statements.closed(database))


def _gids(connection: Connection, database: str) -> list[str]:
    rows = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY prepared", [database])
    return [gid for (gid,) in rows.fetchall()]
