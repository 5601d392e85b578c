"""Every database of a fleet that is in use: the main one, those that tenantplan made, those that organizations brought."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tenantplan.commands.status.homes import nowhere, placement
from tenantplan.commands.status.scene import Scene, not_found, rows
from tenantplan.errors import SchemaMismatch
from tenantplan.live.fan_out import Target
from tenantplan.model.address import MAIN
from tenantplan.model.resource import Database, Row
from tenantplan.postgres.connect import Connection


@dataclass(frozen=True)
class FleetDatabase:
    """One database and whose it is: `holder` is the address of an organization or a tenant, "main" for the main database."""

    holder: str
    server: str
    database: str
    target: Target

    @property
    def label(self) -> str:
        """server/database, for people."""
        return f"{self.server}/{self.database}"


def fleet_databases(scene: Scene) -> list[FleetDatabase]:
    """The main database, then the others by holder. Deleted ones are out of use, and those of other fleets are theirs."""
    holders: dict[Target, str] = {(MAIN, scene.main_database): "main"}
    for address, row in _residents(scene):
        holders.setdefault(_target(scene, address, row), address)
    for resource in scene.live.state.values():
        if isinstance(resource, Database) and resource.managed and resource.retired_at is None:
            holders.setdefault((resource.server, resource.name), resource.holder or "")
    found = [_place(scene, target, holder) for target, holder in holders.items()]
    return [found[0], *sorted(found[1:], key=lambda place: (place.holder, place.label))]


def databases_of(scene: Scene, names: Iterable[str]) -> list[FleetDatabase]:
    """The databases of organizations, or with `tenant/NAME` of tenants; NotFound with the nearest name."""
    known = dict(_residents(scene))
    by_target = {place.target: place for place in fleet_databases(scene)}
    found: dict[Target, FleetDatabase] = {}
    for name in names:
        address = name if "/" in name else f"organization/{name}"
        if address not in known:
            kind = address.split("/", 1)[0]
            raise not_found(name, [a.split("/", 1)[1] for a in known if a.startswith(f"{kind}/")])
        target = _target(scene, address, known[address])
        found[target] = by_target[target]
    return list(found.values())


@contextmanager
def newest_tables(connection: Connection) -> Iterator[None]:
    """SchemaMismatch, with the next step, for a main database whose tables are older than the statement inside needs."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedObject) as error:
        raise SchemaMismatch(
            f"the main database is behind this version of tenantplan: {error.diag.message_primary}",
            where=f"database {connection.info.dbname}",
            hint="tenantplan apply brings it to the newest revision",
        ) from error


def _residents(scene: Scene) -> list[tuple[str, Row]]:
    """Organizations and tenants that are not deleted, by address."""
    return [
        (f"{kind}/{row.values.get('slug') or row.values.get('name')}", row)
        for kind in ("organization", "tenant")
        for row in rows(scene.live.state, f"{kind}s")
        if row.retired_at is None and not nowhere(row)
    ]


def _target(scene: Scene, address: str, row: Row) -> Target:
    place = placement(scene, address, row)
    if place.mode != "dedicated":
        return MAIN, scene.main_database
    if place.url:
        return f"url:{place.holder.split('/', 1)[1]}", None
    return str(place.server), str(place.database)


def _place(scene: Scene, target: Target, holder: str) -> FleetDatabase:
    alias, database = target
    server = scene.connector.servers.get(alias)
    brought = alias.startswith("url:")
    named = database or (server.params.get("dbname", "") if server else "")
    return FleetDatabase(holder, "its own" if brought else alias, named, target)
