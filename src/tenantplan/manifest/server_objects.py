"""The objects of a server that a database of its own needs, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.names import derive
from tenantplan.manifest.placement import PlacedDocument
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.login import READER
from tenantplan.model.resource import OWNER, Database, Resource, Role, Schema, Secret


@cache
def roles(database: str) -> tuple[str, str, str]:
    """The names of a database's owner, login and read-only role."""
    return derive("", database, "_owner"), derive("", database, "_app"), derive("", database, READER)


def logins(home: PlacedDocument) -> tuple[str, ...]:
    """The login roles that the application uses: one, or two that take turns; none where tenantplan makes none."""
    name = home.made[1] if home.made else home.bound
    if name is None:
        return ()
    first = roles(name)[1]
    return (first, second(name)) if home.rotation and home.rotation.roles == 2 else (first,)


@cache
def second(database: str) -> str:
    """The name of the login role that takes turns with the first one."""
    return derive("", database, "_app2")


def server_objects(home: PlacedDocument, facts: FleetFacts) -> Iterator[tuple[str, Resource]]:
    """Database, roles and schema of a home, by address; of a brought database the schema only."""
    holder = home.placement.holder
    if home.placement.url and home.own:
        server = addresses.brought_alias(holder)
        yield addresses.brought_schema(holder), Schema(server, "", "tenant", home.revision, holder=holder)
    if home.bound is not None:
        write, read, _ = facts.shared_groups
        yield from _logins(home, MAIN, home.bound, (write, read), "bound")
    if home.made is None:
        return
    server, name = home.made
    owner = roles(name)[0]
    used = dict(_logins(home, server, name, (facts.group_rw, facts.group_ro)))
    connect = tuple(sorted(role.name for role in used.values())) if home.open else ()
    yield addresses.role(server, owner), Role(server, owner, holder=holder)
    yield from used.items()
    database = Database(server, name, owner, home.database_limit, connect=connect, holder=holder)
    yield addresses.database(server, name), database
    yield addresses.schema(server, name), Schema(server, name, "tenant", home.revision, holder=holder)


def _logins(
    home: PlacedDocument, server: str, name: str, groups: tuple[str, str], access: str | None = None
) -> Iterator[tuple[str, Role]]:
    """The login roles of the application, of which a second one is closed until it is its turn, and the one that only reads
    where it is asked for."""
    password = Secret(home.password) if home.password else None
    closed_one = Role(
        server,
        roles(name)[1],
        False,
        home.connection_limit,
        groups[:1],
        holder=home.placement.holder,
        statement_timeout=home.statement_timeout,
        access=access,
    )
    first, *others = logins(home)
    yield addresses.role(server, first), replace(closed_one, login=home.open, password=password)
    for other in others:
        yield addresses.role(server, other), replace(closed_one, name=other)
    if home.read_only:
        reader = roles(name)[2]
        given = Secret(home.reader_password) if home.reader_password else None
        reading = replace(closed_one, name=reader, login=home.open, member_of=groups[1:], password=given)
        yield addresses.role(server, reader), reading


def groups(found: Iterable[PlacedDocument], facts: FleetFacts) -> Iterator[tuple[str, Resource]]:
    """The group roles of every server that holds a database tenantplan makes."""
    for server in sorted({home.made[0] for home in found if home.made}):
        for name in (OWNER, facts.group_rw, facts.group_ro):
            yield addresses.role(server, name), Role(server, name)
