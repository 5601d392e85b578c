"""Whether a connection is fit for its purpose: reached, encrypted, no pooler, with the rights it needs."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from tenantplan.commands.status.location import Placed
from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet, lone_connector
from tenantplan.fleet.servers import checked
from tenantplan.live import session_checks as fitness
from tenantplan.live.session_checks import Facts, read_facts, right, session_checks
from tenantplan.model.address import MAIN
from tenantplan.model.check import Check, passed
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.databases import has_database
from tenantplan.postgres.url import Server


def fleet_checks(fleet: Fleet, *, rights: bool = False) -> Iterator[Check]:
    """The main database and every server of the fleet file; `rights`: also those that are not needed."""
    yield from _managed(fleet.connector, MAIN, "main", fleet.main_database, rights=rights)
    for alias in sorted(set(fleet.settings.servers) - {MAIN}):
        if alias in fleet.servers.unusable:
            yield _failed(f"server {alias}", fleet.servers.unusable[alias])
        else:
            yield from _managed(fleet.connector, alias, f"server {alias}", None, rights=rights)


def organization_checks(fleet: Fleet, placed: Placed) -> Iterator[Check]:
    """What one organization's database needs: one it brought is connected to as such, any other through its server."""
    if isinstance(placed.server, TenantplanError):
        yield _failed(placed.address, placed.server)
    elif placed.brought:
        yield from brought_checks(placed.server, placed.address)
    else:
        yield from _managed(fleet.connector, placed.alias, placed.address, placed.database, expected=placed.applied)


def url_checks(name: str, url: str) -> Iterator[Check]:
    """The connection string of one environment variable, as a database that an organization brings."""
    reference = f"env:{name}"
    try:
        server = Server(reference, checked(url, reference, brought=True), 4, brought=True)
    except TenantplanError as error:
        yield _failed(reference, error)
        return
    yield from brought_checks(server, reference)


def brought_checks(server: Server, subject: str) -> Iterator[Check]:
    """What a database needs that tenantplan did not make: everything but the rights to make others."""
    try:
        with lone_connector(server, 4).connect(server.alias, read_only=True) as connection:
            yield from fitness.brought_checks(connection, server, subject)
    except TenantplanError as error:
        yield _failed(subject, error)
    except psycopg.Error as error:
        yield Check(subject, "connect", "fail", describe(error), "see the server's log")
    except fitness.ODD:
        yield Check(subject, "connect", "fail", fitness.ODD_SAID, fitness.ODD_ADVICE)


def _managed(
    connector: Connector,
    alias: str,
    subject: str,
    database: str | None,
    *,
    expected: bool = False,
    rights: bool = False,
) -> Iterator[Check]:
    """A server on which tenantplan makes databases, and one database of it. `expected`: it was made before."""
    server = connector.servers[alias]
    try:
        with connector.connect(alias, read_only=True) as connection:
            facts = read_facts(connection)
            yield passed(subject, "connect", f"{server.place}, role {facts['role']}")
            yield from session_checks(connection, server, subject, facts)
            for needed in ("createdb", "createrole"):
                advice = f"a superuser grants it: ALTER ROLE {facts['role']} {needed.upper()}"
                yield right(subject, needed, facts[needed], needed.upper(), advice)
            if facts["superuser"]:
                advice = "CREATEDB and CREATEROLE are enough: ALTER ROLE … NOSUPERUSER"
                yield Check(subject, "least privilege", "warn", f"{facts['role']} is a superuser", advice)
            if rights:
                yield from optional_rights(subject, facts)
            found = database is not None and has_database(connection, database)
        if database is not None:
            yield from _database(connector, alias, subject, database, found, expected)
    except TenantplanError as error:
        yield _failed(subject, error)
    except psycopg.Error as error:
        yield Check(subject, "connect", "fail", describe(error), "see the server's log")


def _database(
    connector: Connector, alias: str, subject: str, database: str, found: bool, expected: bool
) -> Iterator[Check]:
    if found:
        with connector.connect(alias, database, read_only=True) as inside:
            inside.execute("SELECT 1")
        yield passed(subject, "database", f"{database} exists and accepts connections")
    elif expected:
        advice = "it existed before: restore it, or see tenantplan plan"
        yield Check(subject, "database", "fail", f"{database} does not exist", advice)
    else:
        yield passed(subject, "database", f"{database} does not exist yet: tenantplan apply creates it")


def _failed(subject: str, error: TenantplanError) -> Check:
    return Check(
        subject, "connect", "fail", f"{error.where}: {error.message}" if error.where else error.message, error.hint
    )


# fact -> what the right is called, and what there is not without it
_COSTS = {
    "superuser": (
        "event triggers",
        "no sentinel in new databases: schema changes by others are found only by drift and plan --refresh deep",
    ),
    "reads_authid": (
        "pg_authid",
        "a password changed by hand is found by logging in, not by comparing what is stored",
    ),
    "signals": (
        "pg_signal_backend",
        "sessions of roles that are not the fleet's are not ended: a database that one uses is not renamed or dropped",
    ),
    "reads_activity": (
        "pg_read_all_stats",
        "for a lock that another role holds, unlock and error messages name little more than its process",
    ),
}


def optional_rights(subject: str, facts: Facts) -> Iterator[Check]:
    """A line for each right that is not needed; lacking one is fine as long as somebody knows what it costs."""
    for fact, (name, cost) in _COSTS.items():
        yield passed(subject, name, "has it" if facts[fact] else f"not needed, and the role lacks it: {cost}")
