"""Databases that organizations brought themselves: looked into by connecting to each, since nobody stamps those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import psycopg

from tenantplan.errors import ConnectError, HostNotAllowed, TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.fleet.servers import brought_server
from tenantplan.live.fan_out import side_by_side
from tenantplan.live.session_checks import ODD, ODD_ADVICE, ODD_SAID, brought_checks
from tenantplan.migration.running.version import VersionTables
from tenantplan.model import address as addresses
from tenantplan.model.check import Check
from tenantplan.model.resource import Schema, State
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.secrets.references import Secrets
from tenantplan.settings.settings import Settings

HOST = "host"  # the check that the host is one that the fleet connects to


@dataclass
class Brought:
    """What they hold: schemas by address. `problems` says by organization why one cannot be used, `unfit` what else its
    connection test found: what failed although it could be reached, and what is weaker than it could be. `attempts` are
    connections that failed, or were of no use, and why."""

    state: State = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unfit: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    attempts: dict[str, str] = field(default_factory=dict)


def read_brought(
    fleet: Fleet, references: Mapping[str, str], taken: Mapping[tuple[str, str], str], versions: VersionTables
) -> Brought:
    """Looks into each, by organization and reference, side by side: those that do not answer cost one timeout together.

    `taken` are databases (system identifier, name) that are somebody's.
    """
    found = Brought()
    owners = dict(taken)

    def look(item: tuple[str, str]) -> _Inspection:
        return _inspect(fleet, *item, versions)

    looks = side_by_side(look, references.items(), fleet.settings.spec.max_connections)
    for (holder, reference), seen in zip(references.items(), looks, strict=True):
        _add(found, holder, reference, seen, owners)
    return found


@dataclass(frozen=True)
class _Inspection:
    """One of them: what its tests found, its identity, and the schema with what it is at; or why it could not be looked into."""

    checks: tuple[Check, ...] = ()
    identity: tuple[str, str] | None = None
    schema: Schema | None = None
    problem: str = ""


def _inspect(fleet: Fleet, holder: str, reference: str, versions: VersionTables) -> _Inspection:
    alias, connector = addresses.brought_alias(holder), fleet.connector
    try:
        server = brought_server(alias, reference, fleet.settings, fleet.secrets, connector.servers)
        connector.add(server)
        with connector.connect(alias, read_only=True) as connection:
            checks = [c for c in brought_checks(connection, server, reference) if c.status != "pass"]
            identity = _identity(connection)
            schema = Schema(alias, "", "tenant", holder=holder)
            if not _failed(checks):
                schema, refused = _version(connection, versions, schema, reference)
                checks += refused
            return _Inspection(tuple(checks), identity, schema)
    except HostNotAllowed as error:
        return _Inspection((Check(reference, HOST, "fail", error.message, error.hint),))
    except TenantplanError as error:
        return _Inspection(problem=f"{error.where}: {error.message}" if error.where else error.message)
    except psycopg.Error as error:
        return _Inspection(problem=f"{reference}: {error.diag.message_primary or 'connection lost'}")
    except ODD:
        return _Inspection(problem=f"{reference}: {ODD_SAID}: {ODD_ADVICE}")


def _add(found: Brought, holder: str, reference: str, look: _Inspection, owners: dict[tuple[str, str], str]) -> None:
    checks = [*look.checks, *(_claimed(look.identity, reference, holder, owners) if look.identity else ())]
    if checks:
        found.unfit[holder] = tuple(checks)
    if failed := _failed(checks):
        found.problems[holder] = "; ".join(
            check_result(check) if check.name == HOST else check_result_with_subject(check) for check in failed
        )
        if all(check.name != HOST for check in failed):  # nothing was sent to that
            found.attempts[holder] = found.problems[holder]
    elif look.problem:
        found.problems[holder] = found.attempts[holder] = look.problem
    elif look.schema:
        found.state[addresses.brought_schema(holder)] = look.schema


def check_result(check: Check) -> str:
    """What a check found that names its subject itself, and what to do about it."""
    return f"{check.detail}: {check.advice}"


def check_result_with_subject(check: Check) -> str:
    """What a check found, and what to do about it."""
    return f"{check.subject}: {check.detail}: {check.advice}"


def _failed(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check.status == "fail"]


def left_server(settings: Settings, connector: Connector, reference: str, secrets: Secrets | None = None) -> str:
    """The alias of a database that an organization brought and is to leave; the one it goes to may have another URL.

    Without `secrets`, its reference is read now.
    """
    alias = f"left:{reference}"
    if alias not in connector.servers:
        found = secrets or Secrets(settings.root)
        connector.add(brought_server(alias, reference, settings, found, connector.servers))
    return alias


def try_connection(fleet: Fleet, holder: str, reference: str) -> None:
    """Connects to what a reference stands for now, and asks all that plan has asked; ConnectError when it does not fit.

    For the moment before a connection string is saved, which reads the reference anew: so does this, and the rest of the run
    connects to what was tried.
    """
    alias, connector = addresses.brought_alias(holder), fleet.connector
    fleet.secrets.renew(reference)
    server = brought_server(alias, reference, fleet.settings, fleet.secrets, connector.servers)
    connector.add(server)
    try:
        with connector.connect(alias, read_only=True) as connection:
            failed = _failed(brought_checks(connection, server, reference))
    except psycopg.Error as error:
        raise ConnectError(describe(error), where=reference, hint="see the server's log") from error
    except ODD as error:
        raise ConnectError(ODD_SAID, where=reference, hint=ODD_ADVICE) from error
    if failed:
        raise ConnectError(
            "; ".join(check.detail for check in failed),
            where=reference,
            hint="; ".join(check.advice for check in failed),
        )


def _version(
    connection: Connection, versions: VersionTables, schema: Schema, reference: str
) -> tuple[Schema, list[Check]]:
    """The schema with what it is at; and what to say when the role may not look."""
    try:
        with connection.transaction():
            revision, mark = versions.read(connection, "tenant")
    except psycopg.errors.InsufficientPrivilege as error:
        advice = "connect as the role that owns the tables: it has to migrate them"
        return schema, [Check(reference, "migrate", "fail", describe(error), advice)]
    return replace(schema, revision=revision, halfway=mark), []


def _identity(connection: Connection) -> tuple[str, str]:
    row = connection.execute(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _claimed(
    identity: tuple[str, str], reference: str, holder: str, owners: dict[tuple[str, str], str]
) -> Iterable[Check]:
    """A failed check when a database is somebody's already: two would write one database."""
    other = owners.setdefault(identity, holder)
    if other != holder:
        what = f"database {identity[1]} belongs to {other} already"
        yield Check(reference, "owner", "fail", what, "each organization has one of its own")
