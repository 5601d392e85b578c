"""Repair of what is attached to tables (policies, triggers, rules, statistics), and of sequences and schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator

from psycopg import sql

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.grants import closed
from tenantplan.schema.repair.names import identifier, split
from tenantplan.schema.repair.statement import alter, drop, drop_part, read, verbatim
from tenantplan.schema.repair.tables import inherited

_TRIGGER = re.compile(r"(?P<create>.*\))(?P<inherited> INHERITED)?(?: (?P<state>ALWAYS|REPLICA|DISABLED))?", re.DOTALL)
_RULE = re.compile(r"(?P<create>.*) (?P<state>[OARD])", re.DOTALL)
_SEQUENCE = re.compile(
    r"(?P<type>\S+) start (?P<start>\S+) increment (?P<increment>\S+) min (?P<min>\S+) max (?P<max>\S+)"
    r" cache (?P<cache>\S+)(?P<cycle> cycle)?(?: of (?P<owner>.*))?",
    re.DOTALL,
)
_STATES = {
    None: "ENABLE", "O": "ENABLE", "ALWAYS": "ENABLE ALWAYS", "A": "ENABLE ALWAYS", "REPLICA": "ENABLE REPLICA",
    "R": "ENABLE REPLICA", "DISABLED": "DISABLE", "D": "DISABLE",
}  # fmt: skip


def policy(_: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Dropped and made."""
    home, own = split(d.name)
    made = sql.SQL("CREATE POLICY {} ON {} ").format(identifier(own), identifier(home)) + sql.SQL(d.wanted)
    return Fix(d, _dropped("POLICY", d), (made,))


def trigger(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Renamed back, switched on or off, or dropped and made."""
    want = read(_TRIGGER, d.expected)
    home, own = split(d.name)
    if want["inherited"] and d.actual is None:
        return inherited(comparison, d)
    switched = alter(home, "{to} TRIGGER {own}", to=sql.SQL(_STATES[want["state"]]), own=identifier(own))
    if d.actual is not None and read(_TRIGGER, d.actual)["create"] == want["create"]:
        return Fix(d, make=(switched,))
    for old in comparison.renamed("trigger", home) if d.actual is None else ():
        called = split(old.name)[1]
        if (old.actual or "").replace(f" TRIGGER {called} ", f" TRIGGER {own} ", 1) == d.expected:
            return Fix(d, make=(_renamed(home, called, own),), renamed=old)
    made = (verbatim(want["create"]), switched) if want["state"] else (verbatim(want["create"]),)
    return Fix(d, _dropped("TRIGGER", d), made)


def _renamed(home: str, called: str, own: str) -> sql.Composed:
    names = map(identifier, (called, home, own))
    return sql.SQL("ALTER TRIGGER {} ON {} RENAME TO {}").format(*names)


def rule(_: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Dropped and made, and switched on or off."""
    want = read(_RULE, d.expected)
    home, own = split(d.name)
    switched = alter(home, "{to} RULE {own}", to=sql.SQL(_STATES[want["state"]]), own=identifier(own))
    made = (verbatim(want["create"]), switched) if want["state"] != "O" else (verbatim(want["create"]),)
    return Fix(d, _dropped("RULE", d), made)


def statistics(_: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Dropped and made."""
    removed = (drop("STATISTICS", d.name),) if d.actual is not None else ()
    return Fix(d, removed, (verbatim(d.wanted),))


def sequence(_: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Its settings are set; the number that comes next stays."""
    if d.actual is None:
        return Unrepaired(d, "its next number is unknown: create it by hand, beyond the highest one in use")
    return Fix(d, make=tuple(_sequence(d, read(_SEQUENCE, d.expected), read(_SEQUENCE, d.actual))))


def _sequence(d: ObjectDifference, want: re.Match[str], have: re.Match[str]) -> Iterator[sql.Composed]:
    given = {name: sql.SQL(want[name]) for name in ("type", "start", "increment", "min", "max", "cache")}
    yield sql.SQL(
        "ALTER SEQUENCE {name} AS {type} START {start} INCREMENT {increment} MINVALUE {min} MAXVALUE {max} CACHE {cache} {cycle}"
    ).format(name=identifier(d.name), cycle=sql.SQL("CYCLE" if want["cycle"] else "NO CYCLE"), **given)
    if want["owner"] != have["owner"]:
        owner = identifier(want["owner"]) if want["owner"] else sql.SQL("NONE")
        yield sql.SQL("ALTER SEQUENCE {} OWNED BY {}").format(identifier(d.name), owner)


def schema(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Made; it can differ in nothing but being there."""
    return Fix(d, make=(sql.SQL("CREATE SCHEMA {}").format(identifier(d.name)), *closed(comparison, d)))


def _dropped(kind: str, d: ObjectDifference) -> tuple[sql.Composed, ...]:
    return (drop_part(kind, d.name),) if d.actual is not None else ()
