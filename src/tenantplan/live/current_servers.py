"""The current servers of databases, for documents that do not name one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from tenantplan.documents import Document
from tenantplan.fleet.opening import Fleet
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.databases import has_database
from tenantplan.tables import control


def placed(fleet: Fleet, documents: Sequence[Document]) -> dict[str, str]:
    """Address -> server of each organization and tenant that has a database of its own.

    Where every document names its server, that changes nothing: then nobody is asked, and it is empty. Raises ConnectError.
    """
    from tenantplan.manifest.server_choice import chooses

    settings = fleet.settings
    if not settings.spec.dedicated_databases or not chooses(documents):
        return {}
    with fleet.connector.connect(MAIN, read_only=True) as connection:
        if not has_database(connection, fleet.main_database):
            return {}
    with fleet.main() as connection:
        return read_placed(connection, settings.fleet, settings.servers)


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
