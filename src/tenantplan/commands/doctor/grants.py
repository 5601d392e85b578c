"""The exact statements that make the role that reads, for plan, and the role that applies; names quoted as PostgreSQL does."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from tenantplan.model.address import MAIN
from tenantplan.settings.settings import Settings

READER, ADMIN = "tenantplan_reader", "tenantplan_admin"
_READING = """\
-- The role that reads, for plan and status. A superuser runs this on server {server}, then sets its password: \\password {reader}
CREATE ROLE {reader} LOGIN;
GRANT pg_read_all_data TO {reader};"""
_INSIDE = """\
-- Only an organization's own roles may connect to its database, so that this role reads the stamps of databases, not what is in
-- them: drift and plan --refresh deep need the role that applies."""
_APPLYING = """\
-- The role that applies. A superuser runs this on server {server}, then sets its password: \\password {admin}
CREATE ROLE {admin} LOGIN NOSUPERUSER CREATEDB CREATEROLE;"""


def grants(settings: Settings) -> Iterator[str]:
    """The statements, in parts. No server is asked: the first of them are needed before there is a role to ask with."""
    servers = [alias for alias, spec in settings.servers.items() if alias == MAIN or spec.url is not None]
    for server in servers:
        yield _READING.format(server=server, reader=READER)
        if server == MAIN:
            main = sql.Identifier(settings.spec.main.database)
            connect = sql.SQL("GRANT CONNECT ON DATABASE {} TO {};").format(main, sql.Identifier(READER))
            yield f"-- Once the first apply has made the main database:\n{connect.as_string()}"
    yield f"{_INSIDE}\n"
    for server in servers:
        yield _APPLYING.format(server=server, admin=ADMIN)
    yield "-- What else it needs it grants itself: it owns, or may become the owner of, all that it makes."
