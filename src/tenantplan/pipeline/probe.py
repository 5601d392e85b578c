"""Databases that are not what their stamps say, as far as a plan looks into them."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.live.tenant_schemas import Inside, look_inside, tenant_schemas
from tenantplan.model.listing import some
from tenantplan.model.plan import Finding
from tenantplan.model.resource import State
from tenantplan.pipeline.comparison import Comparison
from tenantplan.postgres.connect import Connector

_NAMED = 3
_NEXT = "tenantplan drift shows them, drift --repair plans the way back"


def changed(comparison: Comparison, connector: Connector, known: State) -> Iterator[Finding]:
    """A note for each database whose schema somebody changed: those that the sentinel marked, or all with `deep`."""
    looked = [s for s in tenant_schemas(known) if comparison.deep or s.changed_by_others]
    if not looked:
        return
    settings = comparison.settings
    seen, lost = look_inside(settings, connector, comparison.live, comparison.trees.versions, looked)
    yield from lost
    for inside in seen:
        if why := _why(inside):
            yield Finding(inside.address, "changed", why)


def _why(inside: Inside) -> str:
    schema = inside.schema
    if inside.revision != schema.revision:
        return (
            f"is at revision {inside.revision or 'none'}, and its stamp says {schema.revision or 'none'}: restored, or"
            " migrated by somebody else; drift --repair sets the stamp right"
        )
    names = [name for name, _, _ in inside.differences if inside.mark is None]
    names.sort(key=lambda name: not name.startswith("table "))  # which says most
    if inside.wanted is None:
        return "was changed by somebody, and nothing tells what it should be: there is no template of its revision"
    if not names:
        return "was changed by somebody and is as its revision makes it again" if schema.changed_by_others else ""
    return f"differs from revision {inside.revision or 'none'}: {some(names, _NAMED)}; {_NEXT}"
