"""What else a deployment relies on: secrets that are long enough, and pools that fit."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.commands.status.fleet_view import FleetView, rows
from tenantplan.desired.secrets import secrets_of
from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.model.check import Check, passed
from tenantplan.model.desired import Desired
from tenantplan.model.listing import some
from tenantplan.model.resource import Row, one

LONG = 32  # characters of a session or JWT secret
_SHOWN = 5


def lengths(fleet: Fleet, desired: Desired) -> Iterator[Check]:
    """How long the secrets are that the YAML refers to; one that cannot be read has a line of its own elsewhere."""
    found: dict[str, tuple[int, bool]] = {}
    for resource in desired.state.values():
        row = one(resource, Row)
        signs = row is not None and row.table == "organization_secrets"
        for secret in secrets_of(resource).values():
            try:
                size = len(fleet.secrets.resolve(secret.reference)) if secret.reference else 0
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


def pools(scene: FleetView) -> Iterator[Check]:
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
        advice = (
            "lower database.pool, or raise database.connectionLimit: connections over it get an error, and do not queue"
        )
        what = f"pools may open more than their login's connectionLimit: {some(sorted(tight), _SHOWN)}"
        yield Check("fleet", "pooling", "warn", what, advice)
    elif dedicated:
        yield passed(
            "fleet",
            "pooling",
            f"{len(dedicated)} pool{'s fit' if len(dedicated) != 1 else ' fits'} their connectionLimit",
        )
