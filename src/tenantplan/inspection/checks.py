"""Whether a connection can be used for what it is meant for: reached, encrypted, no pooler, with the rights it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from tenantplan.errors import TenantplanError
from tenantplan.execution.context import MAIN
from tenantplan.fleet.servers import Servers, checked
from tenantplan.inspection.placed import Placed
from tenantplan.postgres.connect import Connection, Connector, describe, is_pooled
from tenantplan.postgres.queries import query
from tenantplan.postgres.tls import ENFORCED, VERIFIED, is_local
from tenantplan.postgres.url import Server
from tenantplan.settings import Settings

OLDEST = 150000  # server_version_num of PostgreSQL 15


@dataclass(frozen=True)
class Check:
    """One question and its answer. `status` is "pass", "warn" or "fail"; `advice` is what to do when it is not "pass"."""

    subject: str
    name: str
    status: str
    detail: str
    advice: str = ""

    def document(self) -> dict[str, str]:
        """The check as JSON."""
        return asdict(self)


def fleet_checks(settings: Settings, servers: Servers) -> Iterator[Check]:
    """The main database and every server of the fleet file."""
    connector = Connector(servers.usable, settings.spec.max_connections)
    yield from _managed(connector, MAIN, "main", settings.spec.main.database)
    for alias in sorted(set(settings.servers) - {MAIN}):
        if alias in servers.unusable:
            yield _failed(f"server {alias}", servers.unusable[alias])
        else:
            yield from _managed(connector, alias, f"server {alias}", None)


def organization_checks(settings: Settings, servers: Servers, placed: Placed) -> Iterator[Check]:
    """What one organization's database needs: one it brought is connected to as such, any other through its server."""
    alias = placed.alias
    if isinstance(placed.server, TenantplanError):
        yield _failed(placed.address, placed.server)
    elif placed.brought:
        yield from brought_checks(placed.server, placed.address)
    else:
        connector = Connector({**servers.usable, alias: placed.server}, settings.spec.max_connections)
        yield from _managed(connector, alias, placed.address, placed.database, expected=placed.applied)


def url_checks(name: str, url: str) -> Iterator[Check]:
    """The connection string of one environment variable, as a database that an organization brings."""
    reference = f"env:{name}"
    try:
        server = Server(reference, checked(url, reference), 4)
    except TenantplanError as error:
        yield _failed(reference, error)
        return
    yield from brought_checks(server, reference)


def brought_checks(server: Server, subject: str) -> Iterator[Check]:
    """What a database needs that tenantplan did not make: everything but the rights to make others."""
    connector = Connector({server.alias: server}, 4)
    try:
        with connector.connect(server.alias, read_only=True) as connection:
            facts = _facts(connection)
            yield _passed(
                subject, "connect", f"{server.place}, database {connection.info.dbname}, role {facts['role']}"
            )
            yield from _session(connection, server, subject, facts)
            yield _right(
                subject,
                "create tables",
                facts["create_in_public"],
                "CREATE on schema public",
                f"as its owner: GRANT CREATE ON SCHEMA public TO {facts['role']}",
            )
            if not facts["owner"]:
                advice = "only needed to mark the database with a comment; everything else works"
                yield Check(subject, "owner", "warn", f"{facts['role']} does not own the database", advice)
    except TenantplanError as error:
        yield _failed(subject, error)
    except psycopg.Error as error:
        yield Check(subject, "connect", "fail", describe(error), "see the server's log")


def _managed(
    connector: Connector, alias: str, subject: str, database: str | None, *, expected: bool = False
) -> Iterator[Check]:
    """A server on which tenantplan makes databases, and one database of it. `expected`: it was made before."""
    server = connector.servers[alias]
    try:
        with connector.connect(alias, read_only=True) as connection:
            facts = _facts(connection)
            yield _passed(subject, "connect", f"{server.place}, role {facts['role']}")
            yield from _session(connection, server, subject, facts)
            for right in ("createdb", "createrole"):
                advice = f"a superuser grants it: ALTER ROLE {facts['role']} {right.upper()}"
                yield _right(subject, right, facts[right], right.upper(), advice)
            if facts["superuser"]:
                advice = "CREATEDB and CREATEROLE are enough: ALTER ROLE … NOSUPERUSER"
                yield Check(subject, "least privilege", "warn", f"{facts['role']} is a superuser", advice)
            found = _exists(connection, database)
        if database is not None:
            yield from _database(connector, alias, subject, database, found, expected)
    except TenantplanError as error:
        yield _failed(subject, error)
    except psycopg.Error as error:
        yield Check(subject, "connect", "fail", describe(error), "see the server's log")


def _exists(connection: Connection, database: str | None) -> bool:
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is not None


def _database(
    connector: Connector, alias: str, subject: str, database: str, found: bool, expected: bool
) -> Iterator[Check]:
    if found:
        with connector.connect(alias, database, read_only=True) as inside:
            inside.execute("SELECT 1")
        yield _passed(subject, "database", f"{database} is there and takes connections")
    elif expected:
        advice = "it was made before: restore it, or see tenantplan plan"
        yield Check(subject, "database", "fail", f"{database} does not exist", advice)
    else:
        yield _passed(subject, "database", f"{database} is not there yet: tenantplan apply makes it")


def _session(connection: Connection, server: Server, subject: str, facts: Mapping[str, Any]) -> Iterator[Check]:
    version = f"PostgreSQL {str(facts['version']).split(' ')[0]}"
    if facts["version_num"] >= OLDEST:
        yield _passed(subject, "version", version)
    else:
        yield Check(subject, "version", "fail", version, "PostgreSQL 15 or newer is needed")
    if is_pooled(connection):
        advice = "give the address of PostgreSQL itself: locks and prepared names need a session"
        yield Check(subject, "no pooler", "fail", "a connection pooler answers there", advice)
    else:
        yield _passed(subject, "no pooler", "PostgreSQL itself answers")
    yield _tls(server, subject, facts)


def _tls(server: Server, subject: str, facts: Mapping[str, Any]) -> Check:
    mode = server.params.get("sslmode", "prefer")
    bound = server.params.get("channel_binding") == "require"
    if facts["tls"] and mode in VERIFIED:
        said = [facts["tls_version"], f"certificate verified ({mode})"]
        said += ["channel binding"] if bound else []
        said += ["client certificate"] if facts["client_certificate"] else []
        if bound or not server.params.get("password") or is_local(server.params):
            return _passed(subject, "TLS", ", ".join(said))
        advice = "leave channel_binding out of the connection string, so that it is required, unless the server cannot"
        return Check(subject, "TLS", "warn", f"{', '.join(said)}, channel binding not required", advice)
    if facts["tls"]:
        advice = "sslmode=verify-full with sslrootcert also makes sure whose server it is"
        return Check(subject, "TLS", "warn", f"{facts['tls_version']}, certificate not verified ({mode})", advice)
    if facts["local"]:
        return _passed(subject, "TLS", "not needed: a local socket")
    if mode in ENFORCED:
        return Check(subject, "TLS", "fail", f"not encrypted, against sslmode={mode}", "see the server's pg_hba.conf")
    if is_local(server.params):
        return _passed(subject, "TLS", "not encrypted: this machine only")
    advice = "leave sslmode out of URL and fleet file, so that it is verify-full, and set sslrootcert"
    return Check(subject, "TLS", "warn", f"not encrypted (sslmode={mode})", advice)


def _facts(connection: Connection) -> dict[str, Any]:
    cursor = connection.execute(query("connection_facts"))
    row = cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description or ()], row, strict=True))


def _right(subject: str, name: str, has: bool, what: str, advice: str) -> Check:
    if has:
        return _passed(subject, name, what)
    return Check(subject, name, "fail", f"the role lacks {what}", advice)


def _passed(subject: str, name: str, detail: str) -> Check:
    return Check(subject, name, "pass", detail)


def _failed(subject: str, error: TenantplanError) -> Check:
    return Check(
        subject, "connect", "fail", f"{error.where}: {error.message}" if error.where else error.message, error.hint
    )
