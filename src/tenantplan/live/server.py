"""The shared catalogs of one server: databases and roles, however many, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tenantplan import clock
from tenantplan.model import address, stamp
from tenantplan.model.live import ServerFacts
from tenantplan.model.resource import Database, Role, Schema, Secret, State
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


@dataclass(frozen=True)
class FleetIdentity:
    """The fleet to read resources of: its name and main database, with the names it declares on this server.

    `id` tells this fleet from another of the same name, whose main database is on another server; None before the first apply.
    """

    fleet: str
    main_database: str
    names: Collection[str] = ()
    id: str | None = None

    def owns(self, facts: dict[str, str]) -> bool:
        """Whether a stamp is this fleet's."""
        return (facts.get("fleet"), facts.get("main"), facts.get("id")) == (self.fleet, self.main_database, self.id)


@dataclass(frozen=True)
class Catalogs:
    """Rows of one server's shared catalogs: its identity, databases and roles; and how far its clock is ahead of this machine's."""

    identity: tuple[Any, ...]
    databases: list[tuple[Any, ...]]
    roles: list[tuple[Any, ...]]
    skew: timedelta = timedelta()
    host: str = ""
    port: int = 0


def read_catalogs(connection: Connection, names: Collection[str]) -> Catalogs:
    """Databases and roles of the server that carry a stamp or one of `names`; two queries and one for identity."""
    before = clock.machine_time()
    identity = connection.execute(query("server")).fetchone()
    assert identity is not None
    skew = identity[7] - before - (clock.machine_time() - before) / 2
    asked = {"names": Jsonb(sorted(names))}
    databases = connection.execute(query("databases"), asked).fetchall()
    roles = connection.execute(query("roles"), asked).fetchall()
    return Catalogs(identity, databases, roles, skew, connection.info.host, connection.info.port)


def server_facts(catalogs: Catalogs, alias: str, whose: FleetIdentity) -> ServerFacts:
    """What of a server's catalogs carries this fleet's stamp or a declared name."""
    identity, seen = catalogs.identity, catalogs.databases
    state: State = {}
    broken: dict[str, str] = {}
    for row in seen:
        _add_database(state, broken, alias, whose, row)
    for row in catalogs.roles:
        _add_role(state, alias, whose, row)
    return ServerFacts(
        system_identifier=identity[0],
        version=identity[1].split(" ")[0],
        version_num=identity[2],
        role=identity[3],
        createdb=identity[4],
        createrole=identity[5],
        skew=catalogs.skew,
        host=catalogs.host,
        port=catalogs.port,
        state=state,
        broken=broken,
        names=frozenset(row[0] for row in seen),
        main_fleet=next((stamp.decode(row[4]).get("fleet") for row in seen if row[0] == whose.main_database), None),
    )


def _add_database(state: State, broken: dict[str, str], alias: str, whose: FleetIdentity, row: tuple[Any, ...]) -> None:
    name, owner, limit, allowed, comment, connect = row
    facts = stamp.decode(comment)
    mine = whose.owns(facts) and facts.get("kind") not in ("template", "lock")
    if not mine and name not in whose.names:
        return
    retired = facts.get("retired") if mine and name.startswith(stamp.TOMBSTONE) else None
    known_as = facts["name"] if retired and "name" in facts else name
    where = address.database(alias, known_as)
    state[where] = Database(
        server=alias,
        name=name,
        owner=owner,
        connection_limit=limit,
        allow_connections=allowed,
        connect=tuple(sorted(connect)),
        holder=facts.get("holder") if mine else None,
        managed=mine,
        retired_at=retired,
    )
    if limit == -2:
        broken[where] = "an interrupted DROP DATABASE left it invalid; drop it by hand: nothing in it can be read"
    if mine and name != whose.main_database:
        state[address.schema(alias, known_as)] = Schema(
            server=alias,
            database=name,
            tree="tenant",
            revision=facts.get("revision"),
            halfway=facts.get("halfway"),
            holder=facts.get("holder"),
            changed_by_others="changed" in facts,
            repaired=facts.get("repaired"),
        )


def _add_role(state: State, alias: str, whose: FleetIdentity, row: tuple[Any, ...]) -> None:
    name, login, limit, comment, groups, timeout, overridden, sessions = row
    facts = stamp.decode(comment)
    mine = whose.owns(facts)
    shared = facts.get("kind") == "group"
    if not mine and name not in whose.names:
        return
    state[address.role(alias, name)] = Role(
        server=alias,
        name=name,
        login=login,
        connection_limit=limit,
        member_of=tuple(sorted(groups)),
        password=Secret(None, facts["password"]) if mine and "password" in facts else None,
        holder=facts.get("holder") if mine else None,
        statement_timeout=timeout,
        overridden_in=tuple(sorted(overridden)),
        managed=mine or shared,
        retired_at=facts.get("retired") if mine else None,
        sessions=0 if login else sessions,
    )
