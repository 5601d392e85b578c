"""Repairs by the kind of the object; and what is never repaired, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tenantplan.schema.repair.attached import policy, rule, schema, sequence, statistics, trigger
from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.constraints import constraint, index
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired, index_of
from tenantplan.schema.repair.grants import grant
from tenantplan.schema.repair.names import schema_of
from tenantplan.schema.repair.routines import function, view
from tenantplan.schema.repair.statement import drop_part
from tenantplan.schema.repair.tables import column, table

Outcome = Fix | Unrepaired
_BY_HAND = "drop it by hand, write a revision that creates it everywhere, or ignore it until a date"
_EXTRA = {
    "trigger": f"made by hand, and it RUNS ON EVERY CHANGE OF THE TABLE'S ROWS: check what it does, then {_BY_HAND}",
    "rule": f"made by hand, and it REWRITES STATEMENTS ON THE TABLE: check what it does, then {_BY_HAND}",
    "event trigger": f"made by hand, and it RUNS ON EVERY CHANGE OF THE SCHEMA: check what it does, then {_BY_HAND}",
}
_HOLDERS = ("table", "type", "sequence")  # what is never made again
_RELATIONS = ("table", "view", "sequence", "index")  # what has to have different names


def _never(missing: str, changed: str) -> Callable[[SchemaComparison, ObjectDifference], Outcome]:
    return lambda _, d: Unrepaired(d, missing if d.actual is None else changed)


_KINDS: Mapping[str, Callable[[SchemaComparison, ObjectDifference], Outcome]] = {
    "schema": schema,
    "extension": _never(
        "CREATE EXTENSION by hand; columns of its types went with it, and are in backups only",
        "it is in another schema: ALTER EXTENSION … SET SCHEMA by hand",
    ),
    "table": table,
    "view": view,
    "column": column,
    "attribute": _never("ALTER TYPE … ADD ATTRIBUTE by hand", "rows may hold it: ALTER TYPE … ALTER ATTRIBUTE by hand"),
    "index": index,
    "constraint": constraint,
    "policy": policy,
    "trigger": trigger,
    "event trigger": _never(*["only a superuser makes event triggers: by hand"] * 2),
    "rule": rule,
    "statistics": statistics,
    "function": function,
    "sequence": sequence,
    "type": _never(
        "columns of this type went with it: make both by hand, and restore the values from a backup",
        "rows may hold values that it would not allow: ALTER TYPE or ALTER DOMAIN by hand",
    ),
    "grant": grant,
}


def outcome(comparison: SchemaComparison, d: ObjectDifference) -> Outcome:
    """How an object is brought back, or why it is left."""
    if d.identity in comparison.kept:
        return Unrepaired(d, comparison.kept[d.identity])
    if why := why_held(comparison, d):
        return Unrepaired(d, why)
    if d.expected is None:
        return _extra(comparison, d)
    for kind in _HOLDERS:
        holder = comparison.differences.get(f"{kind} {d.home}")
        if holder and holder.actual is None:
            return Unrepaired(d, f"it went with {holder.identity}")
    taken = (comparison.differences.get(f"{kind} {d.name}") for kind in _RELATIONS if d.kind in ("view", "index"))
    if other := next((o for o in taken if o and o.expected is None), None):
        return Unrepaired(d, f"{other.identity}, made by hand, has its name: drop or rename that, and repair again")
    return _KINDS[d.kind](comparison, d)


def _extra(comparison: SchemaComparison, d: ObjectDifference) -> Outcome:
    """What is there and should not be: rights and permissive policies let somebody in, and are taken back."""
    holder = comparison.made_by_hand(d.home)
    if holder:
        return Unrepaired(d, f"it came with {holder.identity}")
    if d.kind == "grant":
        return grant(comparison, d)
    if d.kind == "policy" and (d.actual or "").startswith("AS PERMISSIVE"):
        return Fix(d, remove=(drop_part("POLICY", d.name),))
    return Unrepaired(d, _EXTRA.get(d.kind, f"made by hand: {_BY_HAND}"))


_KEYS = ("constraint", "index")


def why_held(comparison: SchemaComparison, d: ObjectDifference) -> str:
    """Why an object cannot be repaired while others are kept as they are; "" when it can."""
    kept = (comparison.differences[identity] for identity in comparison.kept if identity in comparison.differences)
    other = next((o for o in kept if o is not d and _together(comparison, d, o)), None)
    return f"it goes together with {other.identity}, which is to stay" if other else ""


def _together(comparison: SchemaComparison, d: ObjectDifference, o: ObjectDifference) -> bool:
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


def _schema(d: ObjectDifference) -> str:
    return "" if d.kind in ("schema", "extension", "event trigger") else schema_of(d.home or d.name)


def _texts(d: ObjectDifference) -> str:
    return f"{d.expected} {d.actual}".lower()
