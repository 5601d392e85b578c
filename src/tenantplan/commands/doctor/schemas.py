"""Whether every tenant database is as its revision makes it, and the way back for one that is not (B10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tenantplan.commands.drift.schemas import schema_drift
from tenantplan.commands.status.scene import Scene
from tenantplan.live.tenant_schemas import tenant_schemas
from tenantplan.model.check import Check, passed
from tenantplan.model.listing import some

_NAMED = 3
_ADVICE = (
    "tenantplan drift shows it all; tenantplan drift --repair --out plan.json plans the way back where that is safe,"
    " and says what is left"
)


def schema_checks(scene: Scene) -> Iterator[Check]:
    """A line for each database that differs, or one for all; what the fleet file ignores counts for nothing."""
    items, lost = schema_drift(scene)
    today = scene.live.now.date()
    found: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if not any(rule.covers(item.address, item.name, today) for rule in scene.settings.ignores):
            found[item.address].append(item.name)
    for address, names in found.items():
        names.sort(key=lambda name: not name.startswith(("table ", "revision")))  # which says most
        yield Check(address, "schema", "fail", f"is not as its revision makes it: {some(names, _NAMED)}", _ADVICE)
    for finding in lost:
        yield Check(finding.address, "schema", "fail", finding.message, "tenantplan db test says more")
    count = len(tenant_schemas(scene.live.state))
    if count and not found and not lost:
        said = f"each of {count} is" if count > 1 else "the only one is"
        yield passed("databases", "schema", f"{said} as its revision makes it")
