"""What a deployment relies on beside servers: secrets that are long enough, a store that answers, pools that fit (E11)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tenantplan.errors import TenantplanError
from tenantplan.fleet.fitness import Check, passed
from tenantplan.fleet.packages import fleet_store, location
from tenantplan.fleet.secrets import secrets_of
from tenantplan.inspection.scene import Scene, rows
from tenantplan.model.address import MAIN
from tenantplan.model.desired import Desired
from tenantplan.model.listing import some
from tenantplan.model.resource import Package, Row
from tenantplan.secrets.references import resolve
from tenantplan.settings import Settings
from tenantplan.stores.folder import FolderStore
from tenantplan.stores.location import MAIN as IN_MAIN
from tenantplan.stores.store import Store

LONG = 32  # characters of a session or JWT secret
_SHOWN = 5
_PROBE = "tenantplan-doctor"  # a key that nothing is stored under


def lengths(settings: Settings, desired: Desired) -> Iterator[Check]:
    """How long the secrets are that the YAML refers to; one that cannot be read has a line of its own elsewhere."""
    found: dict[str, tuple[int, bool]] = {}
    for resource in desired.state.values():
        signs = isinstance(resource, Row) and resource.table == "organization_secrets"
        for secret in secrets_of(resource).values():
            try:
                size = len(resolve(secret.reference, settings.root)) if secret.reference else 0
            except TenantplanError:
                continue
            if secret.reference and size:
                found[secret.reference] = size, signs or found.get(secret.reference, (0, False))[1]
    short = sorted(f"{name} has {size}" for name, (size, signs) in found.items() if signs and size < LONG)
    if short:
        advice = f"secrets that sessions and tokens are signed with have {LONG} random characters or more"
        yield Check("manifest", "secret lengths", "warn", f"too short: {some(short, _SHOWN)}", advice)
    elif found:
        least = min(size for size, _ in found.values())
        yield passed("manifest", "secret lengths", f"the shortest of {len(found)} has {least} characters")


def package_store(scene: Scene, desired: Desired) -> Iterator[Check]:
    """Whether the store of packages answers; a file is not stored for that."""
    used = any(isinstance(resource, Package) for resource in (*desired.state.values(), *scene.live.state.values()))
    try:
        if location(scene.settings) == IN_MAIN and (not used or not scene.applied):
            return
        database = scene.main_database if scene.applied else None
        with scene.connector.connect(MAIN, database, read_only=True) as connection:
            store = fleet_store(scene.settings, connection)
            problem = _unwritable(store)
            if not problem:
                store.size(_PROBE)
    except TenantplanError as error:
        yield Check("fleet", "package store", "fail", f"{error.where}: {error.message}", error.hint)
        return
    if problem:
        yield Check("fleet", "package store", "fail", *problem)
    else:
        yield passed("fleet", "package store", f"{store.url} answers")


def _unwritable(store: Store) -> tuple[str, str] | None:
    """What keeps a folder from taking files, and what to do; None for every other store, which says so itself."""
    if not isinstance(store, FolderStore):
        return None
    there = next(place for place in (store.folder, *store.folder.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return (
        f"{store.url}: {there} is no folder that this user can write to",
        "make it one, or name another: packages.location",
    )


def pools(scene: Scene) -> Iterator[Check]:
    """Whether each organization's pool fits into what its login may open."""
    dedicated = [
        row for row in rows(scene.live.state) if row.values["database_mode"] == "dedicated" and not row.retired_at
    ]
    tight = []
    for row in dedicated:
        most, limit = (
            int(row.values["pool_size"]) + int(row.values["pool_max_overflow"]),
            int(row.values["connection_limit"]),
        )
        if 0 <= limit < most:
            tight.append(f"{row.values['slug']} {most} of {limit}")
    if tight:
        advice = "lower database.pool, or raise database.connectionLimit: what is over it gets an error, not a place in the queue"
        what = f"pools may open more than their login's connectionLimit: {some(sorted(tight), _SHOWN)}"
        yield Check("fleet", "pooling", "warn", what, advice)
    elif dedicated:
        yield passed(
            "fleet",
            "pooling",
            f"{len(dedicated)} pool{'s fit' if len(dedicated) != 1 else ' fits'} their connectionLimit",
        )
