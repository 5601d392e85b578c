"""Where databases are already, for documents that leave the choice of a server open."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.documents import Document
from tenantplan.fleet.servers import main_server
from tenantplan.live.placed import read_placed
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connector
from tenantplan.settings.settings import Settings


def placed(settings: Settings, documents: Sequence[Document]) -> dict[str, str]:
    """Address -> server of each organization and tenant that has a database of its own.

    Where every document names its server, that changes nothing: then nobody is asked, and it is empty. Raises ConnectError.
    """
    from tenantplan.manifest.server_choice import chooses

    if not settings.spec.dedicated_databases or not chooses(documents):
        return {}
    name = settings.spec.main.database
    connector = Connector({MAIN: main_server(settings)}, settings.spec.max_connections)
    with connector.connect(MAIN, read_only=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            return {}
    with connector.connect(MAIN, name, read_only=True) as connection:
        return read_placed(connection, settings.fleet, settings.servers)
