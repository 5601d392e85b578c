"""Labels by which operations are selected and put in waves."""

from __future__ import annotations

from tenantplan.model.desired import Desired
from tenantplan.model.resource import Ref, Row


def labels(desired: Desired) -> dict[str, dict[str, str]]:
    """Labels by address, with an organization's tier and mode among them, so that --selector tier=pro works."""
    labels = {address: dict(found) for address, found in desired.labels.items()}
    for address, resource in desired.state.items():
        if isinstance(resource, Row) and "database_mode" in resource.values:
            own = labels.setdefault(address, {})
            own.setdefault("mode", str(resource.values["database_mode"] or "none"))
            tier = resource.values.get("tier_id")
            if isinstance(tier, Ref):
                own.setdefault("tier", tier.address.split("/", 1)[1])
    return labels
