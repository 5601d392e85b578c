"""Update packages in a store that is far, which only drift asks: whether each is still there, at its size."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.commands.status.scene import Scene
from tenantplan.fleet.store import NEAR, fleet_store, location
from tenantplan.model.address import MAIN
from tenantplan.model.drift import DriftItem
from tenantplan.model.resource import Package
from tenantplan.stores import Store


def package_drift(scene: Scene) -> list[DriftItem]:
    """What differs between packages as applied and what their store holds. TenantplanError when it cannot be asked."""
    packages = {a: r for a, r in scene.live.state.items() if isinstance(r, Package) and r.managed}
    near = scene.settings.spec.packages.url is None and location(scene.settings).startswith(NEAR)
    if not packages or near:
        return []
    with scene.connector.connect(MAIN, scene.main_database, read_only=True) as connection:
        store = fleet_store(scene.settings, connection)
        return [item for address, package in sorted(packages.items()) for item in _compared(store, address, package)]


def _compared(store: Store, address: str, package: Package) -> Iterator[DriftItem]:
    if package.store != store.url:
        return  # the fleet's store has changed since: apply brings the file to the new one
    size = store.size(package.key)
    if size is None:
        yield DriftItem(address, "file", package.key, "")
    elif size != package.size:
        yield DriftItem(address, "file", f"{package.size} bytes", f"{size} bytes")
