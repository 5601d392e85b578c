"""Whether the store of update packages can write, read and delete a file: tested where the fleet has releases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from tenantplan.commands.status.fleet_view import FleetView
from tenantplan.errors import TenantplanError
from tenantplan.fleet.store import fleet_store, location
from tenantplan.model.address import MAIN
from tenantplan.model.check import Check, passed
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Package, of_type
from tenantplan.stores import Store, masked_url, measure, upload

_CONTENT = b"tenantplan doctor: to be deleted\n"


def store_checks(scene: FleetView, desired: Desired, *, write: bool) -> Iterator[Check]:
    """One line about the store; without `write` it is only asked for a file that it does not have."""
    if not scene.applied or not any(of_type(state, Package) for state in (desired.state, scene.live.state)):
        return
    subject, name = "packages", "store"
    try:
        place = masked_url(location(scene.fleet))
        with scene.connector.connect(MAIN, scene.main_database) as connection:
            said = _round_trip(fleet_store(scene.fleet, connection), write)
    except TenantplanError as error:
        where = f"{error.where}: " if error.where else ""
        yield Check(subject, name, "fail", f"{where}{error.message}", error.hint or "see packages in the fleet file")
    else:
        yield passed(subject, name, f"{place}: {said}")


def _round_trip(store: Store, write: bool) -> str:
    key = f"tenantplan-doctor-{uuid4().hex}"
    if not write:
        store.size(key)
        return "answers"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / key
        source.write_bytes(_CONTENT)
        try:
            upload(store, key, source, measure(source))
        finally:
            store.delete(key)
    return "a file was stored, read back and deleted"
