"""Repair of views and functions: replaced where PostgreSQL replaces them, else dropped and made with all that was on them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from psycopg import sql

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.grants import closed
from tenantplan.schema.repair.names import arguments, identifier, mentions, routine, routine_name
from tenantplan.schema.repair.statement import drop, listed, options, read, verbatim

_VIEW = re.compile(
    r"(?P<stored>materialized )?(?:with (?P<options>\S+) )?"
    r'\((?P<columns>(?:"(?:[^"]|"")*"|[^"()]|\([^()]*\))*)\) (?P<query>.*)',
    re.DOTALL,
)


def replaceable(d: ObjectDifference) -> bool:
    """Whether nothing has to be dropped: CREATE OR REPLACE adds columns to a view, and changes no type."""
    if d.kind not in ("view", "function") or d.expected is None or d.actual is None:
        return True
    if d.kind == "function":
        return _head(d.expected) == _head(d.actual)
    want, have = read(_VIEW, d.expected), read(_VIEW, d.actual)
    stored = want["stored"] or have["stored"]
    return not stored and f"{want['columns']}, ".startswith(f"{have['columns']}, ")


def with_drops(comparison: SchemaComparison) -> SchemaComparison:
    """The comparison after the views and functions that have to be dropped are gone: what should be on them is missing as well."""
    if not comparison.complete:
        return comparison
    dropped = [d for d in comparison if not replaceable(d) and d.identity not in comparison.kept]
    lost = [o for d in dropped for o in comparison.belonging(d.name) if o.identity not in comparison.kept]
    return SchemaComparison([*comparison, *lost], comparison.expected, comparison.kept)


def why_kept(comparison: SchemaComparison, d: ObjectDifference) -> str:
    """Why a view or function that would have to be dropped cannot be; "" when it can."""
    if replaceable(d):
        return ""
    if not comparison.complete:
        return "it has to be dropped and made again, and what else is on it is not known: by hand"
    on = [o for o in comparison if o.home == d.name]
    lost = next((o for o in on if (o.expected is None and o.kind != "grant") or o.identity in comparison.kept), None)
    if lost:
        return f"it has to be dropped, and with it {lost.identity}, which is not to be repaired: drop that first"
    user = next(_users(comparison, d), "")
    return f"it has to be dropped, and {user} uses it: drop that first, and repair again" if user else ""


def _users(comparison: SchemaComparison, d: ObjectDifference) -> Iterator[str]:
    """What keeps a view or function from being dropped: what uses it, and is not dropped or made itself."""
    expected = (ObjectDifference(identity, text, text) for identity, text in comparison.expected.items())
    stays = [o for o in comparison if o.expected is None]
    stays += [o for o in expected if not _dropped(comparison, comparison.differences.get(o.identity))]
    for other in stays:
        if other.kind != "grant" and other.identity != d.identity and mentions(other.text(other.actual), d.called):
            yield other.identity


def _dropped(comparison: SchemaComparison, d: ObjectDifference | None) -> bool:
    if d is None or d.identity in comparison.kept:
        return False
    if d.kind == "column":
        return d.actual is None
    return d.actual is None or d.kind not in ("view", "function") or not replaceable(d)


def _dropped_before(comparison: SchemaComparison, d: ObjectDifference) -> tuple[str, ...]:
    """What uses it and is dropped as well, before it."""
    users = (o for o in comparison if o.actual is not None and o.kind != "grant" and o is not d)
    return () if replaceable(d) else tuple(o.identity for o in users if mentions(o.text(o.actual), d.called))


def view(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Views hold no rows, and materialized ones only what their query gives again."""
    if why := why_kept(comparison, d):
        return Unrepaired(d, why)
    want = read(_VIEW, d.expected)
    replaced = d.actual is not None and replaceable(d)
    made = sql.SQL("CREATE {kind} {name} {given}AS {query}").format(
        kind=sql.SQL("OR REPLACE VIEW" if replaced else _view(d.expected)),
        name=identifier(d.name),
        given=sql.SQL("WITH ({}) ").format(listed(options(want["options"]))) if want["options"] else sql.SQL(""),
        query=sql.SQL(want["query"].strip()),
    )
    removed = () if d.actual is None or replaced else (drop(_view(d.actual), d.name),)
    made_anew = () if replaced else tuple(closed(comparison, d))
    return Fix(d, removed, (made, *made_anew), _dropped_before(comparison, d))


def _view(definition: str | None) -> str:
    return "MATERIALIZED VIEW" if read(_VIEW, definition)["stored"] else "VIEW"


def function(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Functions and procedures; an aggregate's definition does not say enough to make it."""
    if d.wanted.startswith("aggregate"):
        return Unrepaired(d, "aggregates are made again by hand, with the migrations' CREATE AGGREGATE")
    if d.actual is None and (other := _same_signature(comparison, d)):
        return Unrepaired(d, f"{other.identity} differs in its arguments' names only: drop that and repair again")
    if why := why_kept(comparison, d):
        return Unrepaired(d, why)
    if d.actual is not None and replaceable(d):
        return Fix(d, make=(verbatim(d.wanted),))
    removed = (sql.SQL("DROP ROUTINE {}").format(routine(d.name)),) if d.actual is not None else ()
    return Fix(d, removed, (verbatim(d.wanted), *closed(comparison, d)), _dropped_before(comparison, d))


def _head(definition: str) -> str:
    """What CREATE OR REPLACE cannot change: kind, arguments with their defaults, and what is returned."""
    return definition.partition("\n LANGUAGE ")[0]


def _same_signature(comparison: SchemaComparison, d: ObjectDifference) -> ObjectDifference | None:
    return next((o for o in comparison if o.kind == "function" and o.expected is None and _alike(d.name, o.name)), None)


def _alike(one: str, other: str) -> bool:
    """Whether two functions may be one to PostgreSQL: it tells them by their arguments' types, not names."""
    ours, theirs = arguments(one), arguments(other)
    same = routine_name(one) == routine_name(other) and len(ours) == len(theirs)
    return same and all(_types(a) & _types(b) for a, b in zip(ours, theirs, strict=True))


def _types(argument: str) -> set[str]:
    # "day date" is an argument with a name, "double precision" is none: either reading counts.
    plain = re.sub(r"^(?:INOUT|IN|OUT|VARIADIC) ", "", argument)
    return {plain, re.sub(r'^(?:"[^"]*"|\S+) ', "", plain)}
