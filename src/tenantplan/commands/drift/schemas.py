"""The real schema of every tenant database, object by object, against the template of its revision."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.commands.status.fleet_view import FleetView
from tenantplan.live.tenant_schemas import Inside, look_inside, tenant_schemas
from tenantplan.model.drift import DriftItem
from tenantplan.model.plan import Finding
from tenantplan.rendering.parts import clipped

_DEFINITION = 300


def schema_drift(scene: FleetView) -> tuple[list[DriftItem], list[Finding]]:
    """Differences inside databases, and the databases that could not be looked into."""
    usable = [s for s in tenant_schemas(scene.live.state) if s.server in scene.connector.servers]
    seen, lost = look_inside(scene.fleet, scene.live, usable)
    return [item for inside in seen for item in _items(inside)], lost


def _items(inside: Inside) -> Iterator[DriftItem]:
    if inside.revision != inside.schema.revision:
        yield DriftItem(inside.address, "revision", inside.schema.revision or "", inside.revision or "")
    if inside.mark != inside.schema.halfway:
        yield DriftItem(inside.address, "halfway", inside.schema.halfway or "", inside.mark or "")
    if inside.mark is None:  # between two steps of a migration it is like no revision
        for name, right, wrong in inside.differences:
            yield DriftItem(inside.address, name, _worded(right), _worded(wrong))


def _worded(definition: str | None) -> str:
    """Some objects are no more than their name."""
    return "" if definition is None else clipped(definition or "there", _DEFINITION)
