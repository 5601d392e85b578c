"""Reveals an organization's connection string with its password, for a stated reason; audited before it is shown."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from tenantplan.commands.status.fleet_view import main_session
from tenantplan.commands.status.location import Placed
from tenantplan.errors import NotFound, PrivilegeError, TenantplanError, UsageError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.provenance import author
from tenantplan.journal import record
from tenantplan.journal.author import Author
from tenantplan.journal.facts import Fact
from tenantplan.live.stored_secrets import brought_connection, login_password
from tenantplan.model.address import MAIN, brought_slug
from tenantplan.model.resource import Role
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import ROW_PATIENCE, Connection
from tenantplan.postgres.dialects import compose
from tenantplan.postgres.tls import with_defaults
from tenantplan.postgres.url import POOL, Server, masked, parse
from tenantplan.rendering.safe import mask_url
from tenantplan.secrets.box import Refused

SHORTEST, LONGEST = 3, 500  # characters of a reason


def checked_reason(reason: str) -> str:
    """The reason as it is audited, on one line and without the password of a connection string in it; UsageError for none."""
    said = " ".join(reason.split())
    if not SHORTEST <= len(said) <= LONGEST or not said.isprintable():
        raise UsageError(
            "a connection string is shown only for a reason",
            hint=f'give one, in {SHORTEST} to {LONGEST} characters: --reason "incident 42: …"',
        )
    return mask_url(said)


def reveal(fleet: Fleet, place: Placed, driver: str | None, reason: str, *, read_only: bool = False) -> str:
    """The connection string of an organization's application, after the audit entry that says who asked for it, and why.

    `driver` None: as it was brought, or PostgreSQL's own. `read_only`: that of the login that only reads. Raises NotFound or
    Refused where there is none, PrivilegeError when the entry cannot be written.
    """
    with main_session(fleet) as reading:
        key = reading.execute("SELECT value FROM tenantplan.keys WHERE name = 'hash'").fetchone()
        hash_key, writer = key[0] if key else "", author(fleet.settings)
        try:
            url, password = _secret(fleet, reading, place, _login(place, read_only), driver, hash_key)
        except Refused as error:
            _audit(fleet, writer, place, "refused", f"{reason}: {error.message}")
            raise
    _audit(fleet, writer, place, "done", reason.replace(password, "***") if password else reason)
    return url


def _secret(
    fleet: Fleet, main: Connection, place: Placed, login: Role | None, driver: str | None, hash_key: str
) -> tuple[str, str | None]:
    """The connection string, and the password in it."""
    if place.brought:
        url = brought_connection(fleet, main, brought_slug(place.alias), place.source, hash_key)
        params = with_defaults(parse(url, place.source))
        return url if driver is None else compose(params, driver, place.pool), params.get("password")
    if isinstance(place.server, TenantplanError):
        raise place.server
    if login is None:
        raise NotFound(
            f"{place.address} has no login of its own: in shared mode it uses the main database",
            hint=f"a login of your own that is a member of {place.pool_group} names it; `login: true` in its database makes one",
        )
    password = login_password(fleet, main, login, hash_key)
    params = {**application_params(place, login), "password": password}
    return compose(params, driver or "postgresql", place.pool), password


def _login(place: Placed, read_only: bool) -> Role | None:
    if read_only and place.reader is None and place.deleted is None:
        raise NotFound(
            f"{place.address} has no login that only reads",
            hint="`readOnly: true` in its database makes one, then apply",
        )
    return place.reader if read_only else place.login


def application_params(place: Placed, login: Role) -> Mapping[str, str]:
    """How an application reaches a database that tenantplan made, but for the password; *** stands for one that is declared."""
    assert isinstance(place.server, Server)
    own = ("user", "password", "sslcert", "sslkey", "connect_timeout", *POOL)  # those of the role that runs tenantplan
    params = {name: value for name, value in place.server.params.items() if name not in own}
    known = {"password": "***"} if login.password else {}
    return with_defaults({**params, "user": login.name, "dbname": place.database, **known})


def masked_url(place: Placed, driver: str | None, login: Role | None) -> str:
    """The connection string of an organization's application, *** for its password; "" while its server cannot be used.

    In shared mode, where it has no login of its own, the pooled one's: never that of the role that runs tenantplan.
    """
    if not isinstance(place.server, Server):
        return ""
    if place.brought:
        if driver is not None:
            return compose(place.server.params, driver, place.pool, shown=True)
        return masked(place.server.params, place.database)
    pooled = Role(place.alias, place.pooled[0] if place.pooled else place.pool_group)
    return compose(application_params(place, login or pooled), driver or "postgresql", place.pool, shown=True)


def _audit(fleet: Fleet, writer: Author, place: Placed, result: str, detail: str) -> None:
    fact = Fact(place.address, "reveal", result, organization=place.address, detail=detail)
    try:
        with fleet.connector.connect(MAIN, fleet.main_database) as connection, connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [ROW_PATIENCE])
            record.audit(writer, connection, [fact])
    except psycopg.Error as error:
        raise PrivilegeError(
            f"this cannot be recorded in the audit log, so nothing is shown: {describe(error)}",
            where=f"database {fleet.main_database}",
            hint="connect as the role that applies; while an apply is running, try again",
        ) from error
