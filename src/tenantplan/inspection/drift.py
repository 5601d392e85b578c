"""Drift: everything live that differs from what was last applied. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tenantplan.errors import NotFound
from tenantplan.inspection.applied import Applied, differences, read_applied
from tenantplan.inspection.packages import package_drift
from tenantplan.inspection.scene import Scene, look, main_session
from tenantplan.inspection.schema import schema_drift
from tenantplan.model import address as addresses
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Role, State
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.rendering.view import DriftItem
from tenantplan.settings import Settings

_POWERS = ("superuser", "createdb", "createrole", "replication", "bypassrls")


@dataclass(frozen=True)
class Drift:
    """What drift found, what it could not look at, and the run that was interrupted, whose work counts as not applied."""

    items: tuple[DriftItem, ...]
    unreachable: tuple[Finding, ...]
    unfinished: str | None


def drift(settings: Settings) -> Drift:
    """Compares catalogs, rows and the inside of every database. NotFound while nothing was applied."""
    with main_session(settings) as connection:
        applied = read_applied(connection)
    scene = look(settings, applied.addresses, {**applied.beside, **applied.state})
    if not scene.applied:
        raise NotFound("nothing was applied yet", hint="tenantplan apply makes the main database")
    readable = set(scene.live.servers)
    skipped = {f"schema/{holder}" for holder in scene.live.held_out}
    items = differences(applied, scene.live.state, readable, skipped)
    inside, lost = schema_drift(scene)
    items += [*_server_items(scene, applied), *inside, *package_drift(scene)]
    unreachable = {f.address: f for f in (*scene.live.unreachable, *lost)}
    return Drift(
        tuple(sorted(items, key=lambda item: (item.address, item.name))),
        tuple(unreachable[address] for address in sorted(unreachable)),
        scene.live.main.unfinished,
    )


def _server_items(scene: Scene, applied: Applied) -> Iterator[DriftItem]:
    for alias in scene.live.servers:
        with scene.connector.connect(alias, read_only=True) as connection:
            yield from _powers(connection, alias, _names(applied.state, alias, Role))
            databases = _names(applied.state, alias, Database) - {scene.main_database}
            yield from _grants(connection, alias, databases)


def _names(state: State, alias: str, kind: type[Role] | type[Database]) -> set[str]:
    return {r.name for r in state.values() if isinstance(r, kind) and r.server == alias}


def _powers(connection: Connection, alias: str, names: set[str]) -> Iterator[DriftItem]:
    for name, *powers in connection.execute(query("role_powers"), {"names": sorted(names)}).fetchall():
        for power, has in zip(_POWERS, powers, strict=True):
            if has:
                yield DriftItem(addresses.role(alias, name), power, "false", "true")


def _grants(connection: Connection, alias: str, names: set[str]) -> Iterator[DriftItem]:
    for name, grantee, right in connection.execute(query("database_grants"), {"names": sorted(names)}).fetchall():
        yield DriftItem(addresses.database(alias, name), f"{right} for {grantee}", "", "granted")
