"""The order in which objects are created, and what cannot be created because something else is left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from tenantplan.schema.repair.constraints import points_at
from tenantplan.schema.repair.difference import KEYS, Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.names import mentions, speaks_of_unknown
from tenantplan.schema.repair.tables import usable

# Rights come early: a foreign key needs those of the tables' owner, and whatever is made those on its schema.
_RANKS = (
    "schema", "default privileges", "schema grant", "grant", "column grant", "function", "column", "key", "index", "constraint",
    "foreign key", "view", "table", "statistics", "trigger", "rule", "policy", "sequence",
)  # fmt: skip
Definition = Callable[[ObjectDifference], str]


def expected(d: ObjectDifference) -> str:
    """The definition as it should be."""
    return d.expected or ""


def actual(d: ObjectDifference) -> str:
    """The definition as it is."""
    return d.actual or ""


def ordered(fixes: Iterable[Fix], definition: Definition) -> list[Fix]:
    """By kind, but each after those that its definition speaks of; where they go round in circles, by kind alone."""
    by_kind = sorted(fixes, key=lambda fix: (_RANKS.index(_rank(fix.difference, definition)), fix.difference.identity))
    texts = {fix.difference: fix.difference.text(definition(fix.difference)) for fix in by_kind}
    needed = [(fix, names) for fix in by_kind if (names := _needed_by(fix.difference, definition))]
    done: list[Fix] = []
    begun: set[ObjectDifference] = set()

    def place(fix: Fix) -> None:
        if fix.difference in begun:
            return
        begun.add(fix.difference)
        for other, names in needed:
            if other.difference not in begun and mentions(texts[fix.difference], names) and _waits(fix, other):
                place(other)
        done.append(fix)

    for fix in by_kind:
        place(fix)
    return done


def _rank(d: ObjectDifference, definition: Definition) -> str:
    if d.kind == "constraint":
        text = definition(d)
        return "key" if text.startswith(KEYS) else "foreign key" if text.startswith("FOREIGN KEY") else "constraint"
    if d.kind == "grant" and d.grant:
        special = {"default privileges": "default privileges", "schema": "schema grant", "column": "column grant"}
        return special.get(d.grant["on"], "grant")
    return d.kind


def _needed_by(d: ObjectDifference, definition: Definition) -> tuple[str, ...]:
    if _rank(d, definition) == "key":
        return (d.home,)
    return d.called if d.kind in ("function", "view", "column") else ()


def _waits(fix: Fix, other: Fix) -> bool:
    # A view may group by a table's key; nothing else that speaks of the table needs its key.
    return other.difference.kind != "constraint" or fix.difference.kind == "view"


def possible(
    fixes: Sequence[Fix], left: Sequence[Unrepaired], known: Collection[str]
) -> tuple[list[Fix], list[Unrepaired]]:
    """The repairs that can be done while something is left, and all that is left: what needs that is left as well.

    `known` are the names of all objects that should be: other names may be those of an extension that is not there.
    """
    todo, stays, fresh = list(fixes), list(left), list(left)
    while fresh:
        lacks = [e.difference for e in fresh if not _usable(e.difference)]
        lacks.sort(key=lambda d: d.kind == "column")  # where both are missing, the table is the reason
        gone = {e.difference.identity for e in fresh}
        fresh = [Unrepaired(fix.difference, why) for fix in todo if (why := _why_not(fix, gone, lacks, known))]
        waiting = {e.difference.identity for e in fresh}
        todo = [fix for fix in todo if fix.difference.identity not in waiting]
        stays += fresh
    return todo, stays


def _usable(d: ObjectDifference) -> bool:
    """Whether what speaks of an object can be made while its difference stays."""
    if d.expected is None or d.actual is None:
        return False
    return usable(d) if d.kind == "column" else d.kind in ("table", "sequence")


def _why_not(fix: Fix, gone: Collection[str], lacks: Sequence[ObjectDifference], known: Collection[str]) -> str:
    if other := next((identity for identity in fix.with_others if identity in gone), None):
        return f"it goes with {other}"
    lack = _lack(fix.difference, lacks, known)
    return f"it needs {lack}" if lack else ""


def _lack(d: ObjectDifference, lacks: Iterable[ObjectDifference], known: Collection[str]) -> str:
    """What a repair needs and cannot have; "" when there is nothing."""
    text = d.text(d.expected)
    wanted = (other for other in lacks if d.expected is not None and other.expected is not None)
    return next((other.identity for other in wanted if _needs(d, text, other, known)), "")


def _needs(d: ObjectDifference, text: str, other: ObjectDifference, known: Collection[str]) -> bool:
    if other.kind == "extension":
        return d.kind != "grant" and speaks_of_unknown(text, (other.expected or "").removeprefix("in "), known)
    if other.kind == "constraint":
        grouped = d.kind == "view" and " GROUP BY " in text and mentions(text, (other.home,))
        return other.actual is None and (grouped or points_at(text, other.home, other.expected))
    # Rights can be given on what differs, but not on what is missing or would have to be dropped.
    if d.kind == "grant" and other.actual is not None and other.kind not in ("view", "function"):
        return False
    return bool(other.called) and mentions(text, other.called)
