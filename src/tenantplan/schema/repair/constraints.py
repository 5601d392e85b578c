"""Repair of constraints and indexes: they hold no rows, so that a wrong one is dropped and made again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from psycopg import sql

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired, index_of
from tenantplan.schema.repair.names import identifier, schema_of, split
from tenantplan.schema.repair.statement import alter, drop, options, read, storage, verbatim
from tenantplan.schema.repair.tables import inherited

_CONSTRAINT = re.compile(r"(?P<domain>DOMAIN )?(?P<text>.*?)(?P<inherited> INHERITED)?", re.DOTALL)
_INDEX = re.compile(
    r"(?P<create>.*?)(?P<constraint> OF CONSTRAINT)?(?P<inherited> INHERITED)?(?P<clustered> CLUSTERED)?"
    r"(?P<replica> REPLICA IDENTITY)?(?P<invalid> INVALID)?",
    re.DOTALL,
)
_KEY = re.compile(r"(?:PRIMARY KEY|UNIQUE)[^(]*\((?P<columns>[^)]*)\)")
_WITH = re.compile(r"""((?:"[^"]*"|'[^']*'|[^"'])*?) WITH \(([^()]*)\)(.*)""", re.DOTALL)


def constraint(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Renamed back, validated, or dropped and made. One that its rows break fails, and with it the whole repair."""
    want = read(_CONSTRAINT, d.expected)
    if want["inherited"]:
        return inherited(comparison, d)
    extras = comparison.extras("constraint", d.home)
    kind = "DOMAIN" if want["domain"] else "TABLE"
    place = sql.SQL("ALTER {} {} ").format(sql.SQL(kind), identifier(d.home))
    name = identifier(split(d.name)[1])
    same = (o for o in comparison.renamed("constraint", d.home) if o.actual == d.expected)
    if d.actual is None and (old := next(same, None)):
        given = sql.SQL("RENAME CONSTRAINT {} TO {}").format(identifier(split(old.name)[1]), name)
        return Fix(d, (), (place + given,), index_of(d), renamed=old)
    if want["text"].startswith("PRIMARY KEY") and (key := _primary(extras)):
        return Unrepaired(d, f"{key.identity} was made by hand: drop it and repair again")
    if d.actual is not None and (user := _user(comparison, d)):
        return Unrepaired(d, f"{user} needs it as it is: drop that first, and repair again")
    if d.actual == f"{d.expected} NOT VALID":
        return Fix(d, make=(place + sql.SQL("VALIDATE CONSTRAINT {}").format(name),))
    dropped = place + sql.SQL("DROP CONSTRAINT {}").format(name)
    added = place + sql.SQL("ADD CONSTRAINT {} {}").format(name, sql.SQL(want["text"]))
    return Fix(d, (dropped,) if d.actual is not None else (), (added,), index_of(d))


def points_at(definition: str, home: str, key: str | None) -> bool:
    """Whether a foreign key points at a table's primary or unique key, given by its definition."""
    columns = _KEY.match(key or "")
    points = re.search(rf" REFERENCES {re.escape(home)}\((?P<columns>[^)]*)\)", definition) if columns else None
    return bool(columns and points) and _columns(columns) == _columns(points)


def _columns(found: re.Match[str] | None) -> list[str]:
    return sorted(found["columns"].split(", ")) if found else []


def _user(comparison: SchemaComparison, d: ObjectDifference) -> str | None:
    """A foreign key that is as it should be, and points at a key that is not and would have to be dropped."""
    others = ((i, text) for i, text in comparison.expected.items() if i not in comparison.differences)
    return next((identity for identity, text in others if points_at(text, d.home, d.actual)), None)


def _primary(extras: list[ObjectDifference]) -> ObjectDifference | None:
    return next((o for o in extras if (o.actual or "").startswith("PRIMARY KEY")), None)


def index(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Renamed back, built again where it is only invalid, or dropped and made; those of constraints come with them."""
    want = read(_INDEX, d.expected)
    outcome = _index(comparison, d, want)
    if isinstance(outcome, Unrepaired):
        return outcome
    marks = ("CLUSTERED" if want["clustered"] else "", "REPLICA IDENTITY" if want["replica"] else "")
    itself = {d.identity, *outcome.gone}
    lose = [o for mark in marks if mark for o in comparison.marked(d.home, mark) if o not in itself]
    return replace(outcome, with_others=(*outcome.with_others, *lose))


def _index(comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str]) -> Fix | Unrepaired:
    if want["inherited"]:
        return inherited(comparison, d)
    if want["constraint"]:
        return _of_constraint(comparison, d, want)
    if d.actual is None:
        return _missing(comparison, d, want)
    have = read(_INDEX, d.actual)
    if have["constraint"]:
        return Unrepaired(d, "it belongs to a constraint made by hand: drop that and repair again")
    if want["create"] == have["create"]:
        if have["invalid"] and f" ON ONLY {d.home} " in want["create"]:
            return Unrepaired(
                d, "an index of a partition is missing: CREATE INDEX and ALTER INDEX … ATTACH PARTITION by hand"
            )
        return Fix(d, tuple(_unmarked(d, want, have)), (*_valid(d, have), *_marked(d, want, have)))
    return Fix(d, (drop("INDEX", d.name),), (_created(d, want), *_marked(d, want)))


def _missing(comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str]) -> Fix:
    own = split(d.name)[1]
    for old in comparison.renamed("index", d.home):
        called = f" INDEX {split(old.name)[1]} ON "
        if (old.actual or "").replace(called, f" INDEX {own} ON ", 1) == d.expected:
            return Fix(d, make=(_rename(old.name, own),), renamed=old)
    return Fix(d, make=(_created(d, want), *_marked(d, want)))


def _of_constraint(comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str]) -> Fix | Unrepaired:
    its = comparison.differences.get(f"constraint {d.home}.{split(d.name)[1]}")
    have = read(_INDEX, d.actual) if d.actual is not None else None
    if its is None or its.expected is None:
        return _kept(d, want, have)
    outcome = constraint(comparison, its)
    if isinstance(outcome, Unrepaired):
        return Unrepaired(d, f"it goes with {its.identity}")
    if outcome.renamed:
        return _renamed(comparison, d, want, outcome)
    alone = have is not None and not have["constraint"]
    made = storage("INDEX", d.name, {}, _split_options(want)[1])
    return Fix(d, (drop("INDEX", d.name),) if alone else (), (*made, *_marked(d, want)), with_others=(its.identity,))


def _renamed(comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str], key: Fix) -> Fix | Unrepaired:
    old = split(key.renamed.name)[1] if key.renamed else ""
    its = comparison.differences.get(f"index {schema_of(d.name)}.{old}")
    text = (its.actual or "").replace(f" INDEX {old} ON ", f" INDEX {split(d.name)[1]} ON ", 1) if its else None
    outcome = _kept(d, want, read(_INDEX, text) if text else None, key.difference.identity)
    return replace(outcome, renamed=its) if isinstance(outcome, Fix) else outcome


def _kept(d: ObjectDifference, want: re.Match[str], have: re.Match[str] | None, *key: str) -> Fix | Unrepaired:
    """The index of a constraint that is not dropped: its settings can change."""
    if have is None or _split_options(want)[0] != _split_options(have)[0]:
        return Unrepaired(d, "a constraint needs it as it is: drop the constraint and repair again")
    stored = storage("INDEX", d.name, _split_options(have)[1], _split_options(want)[1])
    return Fix(d, tuple(_unmarked(d, want, have)), (*stored, *_valid(d, have), *_marked(d, want, have)), key)


def _created(d: ObjectDifference, want: re.Match[str]) -> sql.Composed:
    # Of a partitioned table's index only the top is printed; made without ONLY, the partitions get theirs.
    return verbatim(want["create"].replace(f" ON ONLY {d.home} ", f" ON {d.home} ", 1))


def _rename(name: str, own: str) -> sql.Composed:
    return sql.SQL("ALTER INDEX {} RENAME TO {}").format(identifier(name), identifier(own))


def _valid(d: ObjectDifference, have: re.Match[str]) -> Iterator[sql.Composed]:
    if have["invalid"]:
        yield sql.SQL("REINDEX INDEX {}").format(identifier(d.name))


def _marked(d: ObjectDifference, want: re.Match[str], have: re.Match[str] | None = None) -> Iterator[sql.Composed]:
    name = identifier(split(d.name)[1])
    if want["clustered"] and not (have and have["clustered"]):
        yield alter(d.home, "CLUSTER ON {name}", name=name)
    if want["replica"] and not (have and have["replica"]):
        yield alter(d.home, "REPLICA IDENTITY USING INDEX {name}", name=name)


def _unmarked(d: ObjectDifference, want: re.Match[str], have: re.Match[str]) -> Iterator[sql.Composed]:
    if have["clustered"] and not want["clustered"]:
        yield alter(d.home, "SET WITHOUT CLUSTER")


def _split_options(found: re.Match[str]) -> tuple[str, dict[str, str]]:
    """An index's statement without its storage parameters, and these."""
    match = _WITH.fullmatch(found["create"])
    return (match[1] + match[3], options(match[2])) if match else (found["create"], {})
