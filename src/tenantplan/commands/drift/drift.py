"""Drift: everything live that differs from what was last applied. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tenantplan.commands.doctor.open_logins import open_logins
from tenantplan.commands.drift.last_applied import Applied, differences, read_applied
from tenantplan.commands.drift.schemas import schema_drift
from tenantplan.commands.status.fleet_view import FleetView, main_session, read_fleet
from tenantplan.errors import NotFound
from tenantplan.fleet.opening import open_fleet
from tenantplan.fleet.store import NEAR, fleet_store, location
from tenantplan.live.passwords import check_passwords
from tenantplan.model import address as addresses
from tenantplan.model.drift import DriftItem, Ignore
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Role, State, of_type
from tenantplan.planning.comparable import lingers
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.settings.settings import Settings
from tenantplan.stores import Store

_UNKNOWN = "compared"
_POWERS = ("superuser", "createdb", "createrole", "replication", "bypassrls")


@dataclass(frozen=True)
class Drift:
    """What drift found, what it could not look at, and the run that was interrupted, whose work counts as not applied.

    `ignored` are differences that the fleet file leaves out, each with the rule that does; `expired` are rules of the fleet file
    whose time is over and whose difference is still there. `not_compared` are passwords of login roles that could not be. `main` is
    where it looked. `at_work` is an apply that goes on, and what is known of it.
    """

    items: tuple[DriftItem, ...]
    ignored: tuple[tuple[DriftItem, Ignore], ...]
    expired: tuple[Ignore, ...]
    unreachable: tuple[Finding, ...]
    unfinished: str | None
    not_compared: tuple[Finding, ...] = ()
    main: str = ""
    at_work: tuple[str, str] | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was compared, but for what the fleet file leaves out."""
        return not (self.unreachable or self.not_compared)


def drift(settings: Settings) -> Drift:
    """Compares catalogs, rows and the inside of every database. NotFound while nothing was applied."""
    with open_fleet(settings) as fleet:
        with main_session(fleet) as connection:
            applied = read_applied(connection)
            scene = read_fleet(fleet, applied.addresses, {**applied.unmanaged, **applied.state})
        return _compared_with(applied, scene)


def _compared_with(applied: Applied, scene: FleetView) -> Drift:
    if not scene.applied:
        raise NotFound("nothing has been applied yet", hint="tenantplan apply makes the main database")
    readable = set(scene.live.servers)
    skipped = {addresses.brought_schema(holder) for holder in scene.live.unplannable}
    items = differences(applied, scene.live.state, readable, skipped)
    inside, lost = schema_drift(scene)
    passwords = check_passwords(scene.fleet, scene.live, applied.state)
    items += [*_server_items(scene, applied), *inside, *package_drift(scene), *_lingering(scene.live.state)]
    known = {(item.address, item.name) for item in items}
    found = [(a, why) for a, why in open_logins(scene.live.state) if (a, "login") not in known]
    items += [DriftItem(address, "login", "closed", f"open, though {why}") for address, why in found]
    items += [DriftItem(address, "password", "as applied", why) for address, why in passwords.changed.items()]
    unreachable = {f.address: f for f in (*scene.live.unreachable, *lost)}
    unknown = [DriftItem(address, "password", _UNKNOWN, why) for address, why in sorted(passwords.unknown.items())]
    items.sort(key=lambda item: (item.address, item.name))
    ignored, expired = _ignored([*items, *unknown], scene.settings.ignores, scene.live.now.date())
    left_out = {id(item) for item, _ in ignored}
    return Drift(
        tuple(item for item in items if id(item) not in left_out),
        ignored,
        expired,
        tuple(unreachable[address] for address in sorted(unreachable)),
        scene.live.main.unfinished,
        tuple(Finding(item.address, "password", item.actual) for item in unknown if id(item) not in left_out),
        scene.place,
        scene.live.main.at_work,
    )


def _ignored(
    items: Sequence[DriftItem], rules: Sequence[Ignore], today: date
) -> tuple[tuple[tuple[DriftItem, Ignore], ...], tuple[Ignore, ...]]:
    known = ((item, next((r for r in rules if r.covers(item.address, item.name, today)), None)) for item in items)
    ignored = tuple((item, rule) for item, rule in known if rule is not None)
    expired = tuple(r for r in rules if r.until < today and any(r.about(item.address, item.name) for item in items))
    return ignored, expired


def _server_items(scene: FleetView, applied: Applied) -> Iterator[DriftItem]:
    for alias in scene.live.servers:
        with scene.connector.connect(alias, read_only=True) as connection:
            yield from _powers(connection, alias, _names(of_type(applied.state, Role), alias))
            databases = _names(of_type(applied.state, Database), alias) - {scene.main_database}
            yield from _grants(connection, alias, databases)


def _lingering(state: State) -> Iterator[DriftItem]:
    """Sessions of roles that are closed: an apply was interrupted before it had ended them, or somebody opened one meanwhile."""
    for address, role in of_type(state, Role).items():
        if role.managed and lingers(role, role):
            yield DriftItem(address, "sessions", "none, it is closed", f"{role.sessions} open")


def _names(found: Mapping[str, Role | Database], alias: str) -> set[str]:
    return {resource.name for resource in found.values() if resource.server == alias}


def _powers(connection: Connection, alias: str, names: set[str]) -> Iterator[DriftItem]:
    for name, *powers in connection.execute(query("role_powers"), {"names": sorted(names)}).fetchall():
        for power, has in zip(_POWERS, powers, strict=True):
            if has:
                yield DriftItem(addresses.role(alias, name), power, "false", "true")


def _grants(connection: Connection, alias: str, names: set[str]) -> Iterator[DriftItem]:
    for name, grantee, right in connection.execute(query("database_grants"), {"names": sorted(names)}).fetchall():
        yield DriftItem(addresses.database(alias, name), f"{right} for {grantee}", "", "granted")


def package_drift(scene: FleetView) -> list[DriftItem]:
    """What differs between packages as applied and what their store holds. TenantplanError when it cannot be asked."""
    packages = {a: p for a, p in of_type(scene.live.state, Package).items() if p.managed}
    near = scene.settings.spec.packages.url is None and location(scene.fleet).startswith(NEAR)
    if not packages or near:
        return []
    with scene.fleet.main() as connection:
        store = fleet_store(scene.fleet, connection)
        return [item for address, package in sorted(packages.items()) for item in _compared(store, address, package)]


def _compared(store: Store, address: str, package: Package) -> Iterator[DriftItem]:
    if package.store != store.url:
        return  # the fleet's store has changed since: apply brings the file to the new one
    size = store.size(package.key)
    if size is None:
        yield DriftItem(address, "file", package.key, "")
    elif size != package.size:
        yield DriftItem(address, "file", f"{package.size} bytes", f"{size} bytes")
