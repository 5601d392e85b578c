"""Repair of tables' own settings and of their columns: what can be set without touching a row's values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from psycopg import sql

from tenantplan.schema.repair.comparison import SchemaComparison
from tenantplan.schema.repair.difference import Fix, ObjectDifference, Unrepaired
from tenantplan.schema.repair.names import IDENTIFIER, identifier, split
from tenantplan.schema.repair.statement import alter, options, read, storage

_TABLE = re.compile(
    r"(?P<kind>partitioned|foreign)?\s?(?P<unlogged>unlogged)?\s?(?P<secured>row level security)?\s?(?P<forced>forced)?\s?"
    r"(?:replica identity (?P<replica>\w))?\s?(?:with (?P<options>\S+))?\s?(?P<rest>.*)",
    re.DOTALL,
)
_COLUMN = re.compile(
    rf'(?P<type>(?:"(?:[^"]|"")*"|[^"])*?)(?: collate (?P<collation>(?:{IDENTIFIER}\.)?{IDENTIFIER}))?'
    r"(?P<filled> not null)?(?P<inherited> inherited)?"
    r"(?: identity (?P<identity>always|by default))?(?: generated (?P<generated>stored|virtual))?(?: default (?P<value>.*))?",
    re.DOTALL,
)
_REPLICA = {None: "DEFAULT", "f": "FULL", "n": "NOTHING"}  # with an index, the index sets it


def table(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Row level security, replica identity and storage parameters are set; persistence, parents and partitions are not."""
    if d.actual is None:
        return Unrepaired(
            d, "its rows are gone with it: restore them from a backup, or rename it back if it was renamed"
        )
    want, have = read(_TABLE, d.expected), read(_TABLE, d.actual)
    if any(want[part] != have[part] for part in ("kind", "unlogged", "rest")):
        return Unrepaired(d, "it is of another kind, persistence or parent: ALTER TABLE by hand, then repair again")
    needed = (o for o in comparison if o.kind == "index" and o.home == d.name and " REPLICA IDENTITY" in o.wanted)
    indexes = tuple(o.identity for o in needed) + comparison.marked(d.name, "REPLICA IDENTITY")
    return Fix(d, (), tuple(_table(d.name, want, have)), indexes if want["replica"] != have["replica"] else ())


def _table(name: str, want: re.Match[str], have: re.Match[str]) -> Iterator[sql.Composed]:
    if want["secured"] != have["secured"]:
        yield alter(name, "ENABLE ROW LEVEL SECURITY" if want["secured"] else "DISABLE ROW LEVEL SECURITY")
    if want["forced"] != have["forced"]:
        yield alter(name, "FORCE ROW LEVEL SECURITY" if want["forced"] else "NO FORCE ROW LEVEL SECURITY")
    if want["replica"] != have["replica"] and want["replica"] in _REPLICA:
        yield alter(name, "REPLICA IDENTITY {to}", to=sql.SQL(_REPLICA[want["replica"]]))
    yield from storage("TABLE", name, options(have["options"]), options(want["options"]))


def inherited(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """A table's part that comes back with the same part of its parent table."""
    parents = comparison.parents(d.home)
    above = (o for o in comparison if o.kind == d.kind and o.expected is not None and o.home in parents)
    same = next((o for o in above if _part(o) == _part(d)), None)
    return (
        Fix(d, with_others=(same.identity,))
        if same
        else Unrepaired(d, "it comes from the parent table: by hand, there")
    )


def _part(d: ObjectDifference) -> str:
    """What a part has in common with that of the parent table: columns and triggers the name, the others what they are."""
    if d.kind in ("column", "trigger"):
        return split(d.name)[1]
    return re.sub(r"( OF CONSTRAINT)?( INHERITED)?( CLUSTERED| REPLICA IDENTITY| INVALID)*$", "", d.wanted).split(
        " USING "
    )[-1]


def column(comparison: SchemaComparison, d: ObjectDifference) -> Fix | Unrepaired:
    """Defaults and NOT NULL are set, and a missing column is made where that needs no value that is lost."""
    want = read(_COLUMN, d.expected)
    parent = inherited(comparison, d) if want["inherited"] else None
    if parent and (isinstance(parent, Fix) or d.actual is None):
        return parent
    if d.actual is None:
        why = _why_not_made(comparison, d, want)
        note = "" if want["generated"] else "made again, without the values it had: those are in backups only"
        return Unrepaired(d, why) if why else Fix(d, make=(_added(d.name, want),), note=note)
    have = read(_COLUMN, d.actual)
    why = _why_not_changed(comparison, d, want, have)
    return Unrepaired(d, why) if why else Fix(d, make=tuple(_changed(d.name, want, have)))


def _why_not_made(comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str]) -> str:
    if same := next((o for o in comparison.extras("column", d.home) if o.actual == d.expected), None):
        return f"was it renamed? {same.name} is as it should be: rename that back, or drop it and repair again"
    if want["identity"]:
        return "the numbers it had are gone: restore them from a backup"
    if want["filled"] and not want["value"]:
        return "its values are gone and every row must have one: restore them from a backup"
    return ""


def usable(d: ObjectDifference) -> bool:
    """Whether what speaks of a column can be made while this difference stays: it is there, and of the right type."""
    want, have = read(_COLUMN, d.expected), read(_COLUMN, d.actual)
    return all(want[part] == have[part] for part in ("type", "collation"))


def _why_not_changed(
    comparison: SchemaComparison, d: ObjectDifference, want: re.Match[str], have: re.Match[str]
) -> str:
    if want["inherited"] != have["inherited"]:
        return "its table has another parent, or none: by hand"
    if not usable(d):
        return "its type differs, and a conversion can lose values: ALTER TABLE by hand, then repair again"
    if want["generated"] != have["generated"] or (want["generated"] and want["value"] != have["value"]):
        return "its values are computed in another way: ALTER TABLE by hand"
    if bool(want["identity"]) != bool(have["identity"]):
        return "its numbers come from elsewhere, and the next one is not known: ALTER TABLE by hand"
    keys = [o for o in comparison.extras("constraint", d.home) if (o.actual or "").startswith("PRIMARY KEY")]
    if keys and have["filled"] and not want["filled"]:
        return f"{keys[0].identity}, made by hand, may need it: drop that first"
    return ""


def _added(name: str, want: re.Match[str]) -> sql.Composed:
    home, own = split(name)
    computed = "GENERATED ALWAYS AS ({value}) {kind}" if want["generated"] else "DEFAULT {value}"
    clauses = (
        ("COLLATE {collation}", want["collation"]),
        ("NOT NULL", want["filled"]),
        (computed, want["value"]),
    )
    parts = {
        "collation": sql.SQL(want["collation"] or ""),
        "value": sql.SQL(want["value"] or ""),
        "kind": sql.SQL((want["generated"] or "").upper()),
    }
    given = [sql.SQL(text).format(**parts) for text, wanted in clauses if wanted]
    return alter(home, "ADD COLUMN {own} ", own=identifier(own)) + sql.SQL(" ").join([sql.SQL(want["type"]), *given])


def _changed(name: str, want: re.Match[str], have: re.Match[str]) -> Iterator[sql.Composed]:
    home, own = split(name)
    place = alter(home, "ALTER COLUMN {own} ", own=identifier(own))
    if want["value"] != have["value"]:
        yield place + (sql.SQL("SET DEFAULT ") + sql.SQL(want["value"]) if want["value"] else sql.SQL("DROP DEFAULT"))
    if want["filled"] != have["filled"]:
        yield place + sql.SQL("SET NOT NULL" if want["filled"] else "DROP NOT NULL")
    if want["identity"] != have["identity"]:
        yield place + sql.SQL("SET GENERATED {}").format(sql.SQL((want["identity"] or "").upper()))
