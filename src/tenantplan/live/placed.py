"""Which servers databases are on already, before anything else of the live side is known."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from tenantplan.postgres.connect import Connection
from tenantplan.tables import control


def read_placed(connection: Connection, fleet: str, servers: Collection[str]) -> dict[str, str]:
    """Address of each organization and tenant with a database of its own -> its server; deleted ones that are kept, too.

    Of rows that are not the fleet's, only those on one of its servers. Empty before the first apply.
    """
    found: dict[str, str] = {}
    for rowtype in (control.ORGANIZATION, control.TENANT):
        there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [".".join(rowtype.relation)]).fetchone()
        if there is None or not there[0]:
            continue
        statement = sql.SQL(
            "SELECT {name}, database_server FROM {table} WHERE database_mode = 'dedicated'"
            " AND database_server IS NOT NULL AND ({owner} = %s OR database_server = ANY(%s))"
        ).format(
            name=sql.Identifier(rowtype.name),
            table=sql.Identifier(*rowtype.relation),
            owner=sql.Identifier(rowtype.owner),
        )
        rows = connection.execute(statement, [fleet, list(servers)]).fetchall()
        found |= {rowtype.address(name): server for name, server in rows}
    return found
