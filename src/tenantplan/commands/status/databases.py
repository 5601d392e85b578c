"""Every database of a fleet that is in use: the main one, those that tenantplan made, those that organizations brought."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tenantplan.commands.status.fleet_view import FleetView, not_found, rows
from tenantplan.commands.status.homes import nowhere, placement
from tenantplan.errors import SchemaMismatch
from tenantplan.model import address as addresses
from tenantplan.model.address import Location
from tenantplan.model.resource import Database, Row, of_type
from tenantplan.postgres.connect import Connection


@dataclass(frozen=True)
class FleetDatabase:
    """One database and whose it is: `holder` is the address of an organization or a tenant, "main" for the main database."""

    holder: str
    server: str
    database: str
    location: Location

    @property
    def label(self) -> str:
        """server/database, for people."""
        return f"{self.server}/{self.database}"


def fleet_databases(scene: FleetView) -> list[FleetDatabase]:
    """The main database, then the others by holder. Deleted ones are out of use, and those of other fleets are theirs."""
    holders: dict[Location, str] = {scene.main: "main"}
    for address, row in _residents(scene):
        holders.setdefault(_location(scene, address, row), address)
    for database in of_type(scene.live.state, Database).values():
        if database.managed and database.retired_at is None:
            holders.setdefault(Location(database.server, database.name), database.holder or "")
    found = [_database(scene, location, holder) for location, holder in holders.items()]
    return [found[0], *sorted(found[1:], key=lambda place: (place.holder, place.label))]


def databases_of(scene: FleetView, names: Iterable[str]) -> list[FleetDatabase]:
    """The databases of organizations, or with `tenant/NAME` of tenants; NotFound with the nearest name."""
    known = dict(_residents(scene))
    by_location = {place.location: place for place in fleet_databases(scene)}
    found: dict[Location, FleetDatabase] = {}
    for name in names:
        address = addresses.from_name(name)
        if address not in known:
            kind = addresses.kind(address)
            raise not_found(name, [addresses.name(a) for a in known if addresses.kind(a) == kind])
        location = _location(scene, address, known[address])
        found[location] = by_location[location]
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


def _residents(scene: FleetView) -> list[tuple[str, Row]]:
    """Organizations and tenants that are not deleted, by address."""
    return [
        (f"{kind}/{row.values.get('slug') or row.values.get('name')}", row)
        for kind in ("organization", "tenant")
        for row in rows(scene.live.state, f"{kind}s")
        if row.retired_at is None and not nowhere(row)
    ]


def _location(scene: FleetView, address: str, row: Row) -> Location:
    return placement(scene, address, row).location(scene.main)


def _database(scene: FleetView, location: Location, holder: str) -> FleetDatabase:
    server = scene.connector.servers.get(location.server)
    named = location.database or (server.params.get("dbname", "") if server else "")
    return FleetDatabase(holder, location.server_label, named, location)
