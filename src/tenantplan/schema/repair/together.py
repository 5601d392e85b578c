"""What goes together: a repair of the one would change the other, so that both stay where one has to."""

from __future__ import annotations

from tenantplan.schema.repair.comparison import Comparison
from tenantplan.schema.repair.difference import Difference, index_of
from tenantplan.schema.repair.names import schema_of

_KEYS = ("constraint", "index")


def why_held(comparison: Comparison, d: Difference) -> str:
    """Why an object cannot be repaired while others are kept as they are; "" when it can."""
    kept = (comparison.differences[identity] for identity in comparison.kept if identity in comparison.differences)
    other = next((o for o in kept if o is not d and _together(comparison, d, o)), None)
    return f"it goes together with {other.identity}, which is to stay" if other else ""


def _together(comparison: Comparison, d: Difference, o: Difference) -> bool:
    if o.kind == "schema" and o.actual is None and o.name == _schema(d):
        return True
    alike = d.kind == o.kind or {d.kind, o.kind} == set(_KEYS)
    if alike and d.home in comparison.parents(o.home):
        return True
    if {d.kind, o.kind} == {"table", "index"}:
        return (d.home or d.name) == (o.home or o.name) and all("replica identity" in _texts(x) for x in (d, o))
    if d.kind == o.kind == "index":
        return d.home == o.home and " clustered" in _texts(d) and " clustered" in _texts(o)
    if d.kind == o.kind == "grant":
        return d.home == o.home and " with grant option" in _texts(d) + _texts(o)
    return o.identity in index_of(d)


def _schema(d: Difference) -> str:
    return "" if d.kind in ("schema", "extension", "event trigger") else schema_of(d.home or d.name)


def _texts(d: Difference) -> str:
    return f"{d.expected} {d.actual}".lower()
