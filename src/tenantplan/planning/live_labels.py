"""Labels that organizations and tenants have now, by their live rows. PURE.

What a plan changes is judged by these too: a document that gives its organization another label, tier or mode does not lift
the restriction that holds for it until that change is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Row, State, of_type, one


def live_labels(operations: Iterable[Operation], live: State) -> dict[str, dict[str, str]]:
    """Scope -> labels of its organization's live row, tier and mode among them. Scopes without a live row are left out.

    `live` is under the names that the operations use.
    """
    found: dict[str, dict[str, str]] = {}
    for scope in dict.fromkeys(operation.scope for operation in operations):
        owner = one(live.get(addresses.organization_of(scope, live)), Row)
        if owner is not None and owner.managed:
            found[scope] = _labels(owner)
    return found


def live_labels_with_own(operations: Iterable[Operation], live: State) -> dict[str, dict[str, str]]:
    """The same, with a tenant's own labels over those of its organization, as selectors see them."""
    found = live_labels(operations, live)
    rows = of_type({scope: live.get(scope) for scope in found}, Row)
    return {scope: found[scope] | _labels(row) for scope, row in rows.items()}


def _labels(row: Row) -> dict[str, str]:
    stored = row.values.get("labels")
    found = {str(key): str(value) for key, value in stored.items()} if isinstance(stored, Mapping) else {}
    if "database_mode" in row.values:
        found.setdefault("mode", str(row.values["database_mode"] or "none"))
    tier = row.values.get("tier_id")
    if isinstance(tier, Ref):
        found.setdefault("tier", addresses.name(tier.address))
    return found
