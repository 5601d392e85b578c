"""The operations of one declared object as entries: what becomes of an organization, in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import (
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    afters,
    befores,
    one,
    sides,
)
from tenantplan.rendering.describe import describe, home_of, kind_of
from tenantplan.rendering.parts import SYMBOLS, Entry, Field, counted
from tenantplan.rendering.safe import mask_url
from tenantplan.rendering.values import LONG, SHORT, camel, changes, effective, show
from tenantplan.tables import BUILTIN

MOST_FIELDS = 20
_NOT_COMPARED = {
    "id",
    "managed",
    "manager",
    "retired_at",
    "server",
    "holder",
    "source",
    "serves",
    "ends_before",
    "sessions",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """How much to say: every value and statement when `verbose`; `grace_days` of a deletion, None: not known here."""

    verbose: bool = False
    grace_days: int | None = None

    @property
    def limit(self) -> int:
        """Characters of one value."""
        return LONG if self.verbose else SHORT

    @property
    def restorable(self) -> str:
        """How long a deleted object can be brought back."""
        if self.grace_days is None:
            return "restorable until its grace period ends"
        return f"restorable for {counted(self.grace_days, 'day')}"


def declared(held: str, operations: Sequence[Operation], wording: Wording) -> Iterator[Entry]:
    """The entries of the object `held`: one, and one more for each nested row that is deleted while it stays."""
    own = next((operation for operation in operations if operation.address == held), None)
    if own is not None and own.action == "delete":
        nested = [Field("-", _part(o)) for o, _ in befores(operations, Row) if o is not own]
        yield _entry("-", held, _deletion(operations, wording), nested, operations)
        return
    removed = [o for o in operations if o.action == "delete" and addresses.is_below(o.address, held)]
    for operation in removed:
        yield _entry("-", operation.address, "removed", (), [operation])
    rest = [operation for operation in operations if operation not in removed]
    if rest:
        yield _kept(held, own, rest, wording)


def shortened(entry: Entry) -> Entry:
    """The entry with its first fields and how many more there are."""
    more = len(entry.fields) - MOST_FIELDS
    if more <= 0:
        return entry
    return replace(entry, fields=(*entry.fields[:MOST_FIELDS], Field("", f"… {more} more (--verbose)")))


def _kept(held: str, own: Operation | None, operations: Sequence[Operation], wording: Wording) -> Entry:
    actions = {operation.action for operation in operations}
    if "delete" in actions:
        deleted = [operation for operation in operations if operation.action == "delete"]
        others = [operation for operation in operations if operation.action != "delete"]
        return _entry("-", held, _deletion(deleted, wording), _fields(others, wording), operations)
    if "move" in actions:
        return _entry(">", held, _move(operations), _fields(operations, wording), operations)
    if own is not None and own.action == "create":
        return _created(held, own, operations, wording)
    if actions == {"create"}:
        if len(operations) == 1:
            return _entry("+", operations[0].address, describe(operations[0]), (), operations)
        return _entry("+", held, "adds " + _contents(operations), _fields(operations, wording), operations)
    found = _fields(operations, wording)
    headline = counted(len(found), "change") if len(found) > 1 else ""
    if own is not None and own.restore:
        headline = _restored(own)
    symbol = next((sign for sign, action in SYMBOLS.items() if actions == {action}), "~")
    return _entry(symbol, held, headline, found, operations)


def _restored(own: Operation) -> str:
    """What comes back: "restores it with its data, deleted on 2026-11-30"."""
    return "restores it with its data," + own.summary.rpartition(",")[2]


def _created(held: str, own: Operation, operations: Sequence[Operation], wording: Wording) -> Entry:
    headline = describe(own)
    others, row = [operation for operation in operations if operation is not own], one(own.after, Row)
    created = (o for o, _ in afters(others, Database) if o.action == "create")
    database = next(created, None) if row is not None else None
    if database is not None:
        headline = f"dedicated on {database.server}: {describe(database)}"
        others.remove(database)
    inside = _contents(others)
    headline = ", ".join(part for part in (headline, inside) if part)
    values = tuple(effective(row, LONG)) if wording.verbose and row is not None else ()
    shape = "dedicated" if database is not None else describe(own) or "new"
    return _entry("+", held, headline, values, operations, shape)


def _entry(
    symbol: str, title: str, headline: str, found: Sequence[Field], operations: Sequence[Operation], shape: str = ""
) -> Entry:
    statements = tuple(mask_url(s) for operation in operations for s in operation.statements)
    destructive = any(operation.risk == "destructive" for operation in operations)
    return Entry(symbol, title, mask_url(headline), tuple(found), statements, (), destructive, mask_url(shape))


def _deletion(operations: Sequence[Operation], wording: Wording) -> str:
    """What a deletion does: the first step keeps a way back, the second does not."""
    retire = any(operation.retire for operation in operations)
    names = [database.name for _, database in befores(operations, Database)]
    rows = [row for _, row in befores(operations, Row)]
    roles = len(list(befores(operations, Role)))
    if not names and not rows:
        return f"delete: {counted(roles, 'role')} removed"
    along = [counted(roles, "role")] if roles else []
    soft = any(row.table in BUILTIN and BUILTIN[row.table].retired for row in rows)
    if soft:
        along.append("everything nested in it")
    going = f", with {' and '.join(along)}" if along else ""
    if retire:
        what = f"{_databases(names)} renamed to a tombstone" if names else "marked as deleted"
        return f"delete: {what}{going}, {wording.restorable}"
    if names:
        return f"purge: {', '.join(f'DROP DATABASE {name}' for name in names)}{going}, irreversible"
    return f"purge: its row is removed{going}, irreversible" if soft else f"delete: removed{going}"


def _move(operations: Sequence[Operation]) -> str:
    moved = next(operation for operation in operations if operation.action == "move")
    before, after = sides(moved, Row)
    if before is None or after is None:
        return moved.summary
    return f"move: from {home_of(before)} to {home_of(after)}"


def _databases(names: Sequence[str]) -> str:
    return f"database{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _contents(operations: Sequence[Operation]) -> str:
    """How many of each kind: "3 roles, 2 modules, 1 member"."""
    counts = Counter(kind_of(operation.subject) for operation in operations if operation.action == "create")
    return ", ".join(counted(number, noun) for noun, number in counts.items())


def _fields(operations: Sequence[Operation], wording: Wording) -> tuple[Field, ...]:
    return tuple(field for operation in operations for field in _operation_fields(operation, wording))


def _operation_fields(operation: Operation, wording: Wording) -> list[Field]:
    before, after = operation.before, operation.after
    part = _part(operation)
    if operation.action == "create":
        described = describe(operation)
        if one(after, Database):
            described = f"at {operation.revisions[-1]}" if operation.revisions else ""
        return [Field("+", part or operation.address, None, mask_url(described))]
    found: list[Field] = []
    if operation.adopt:
        found.append(Field("~", f"{part} managed by".strip(), "the application", "this fleet"))
    if operation.renamed_from and (after is None or one(after, Row)):
        found.append(Field("~", f"{part} renamed".strip(), operation.renamed_from, operation.address))
    old, new = sides(operation, Row)
    if old is not None and new is not None:
        found += changes(old, new, f"{part} " if part else "", wording.limit)
    elif before is not None and type(before) is type(after):
        found += _resource_fields(before, after, part, wording.limit)
    return found or [Field("~", part, None, mask_url(operation.summary))]


def _resource_fields(before: Resource, after: Resource, part: str, limit: int) -> Iterator[Field]:
    for name in (f.name for f in fields(before) if f.name not in _NOT_COMPARED):
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        secret = name == "password"
        shown = (None, f"{show(new)} (secret changed)") if secret else (show(old, limit), show(new, limit))
        yield Field("~", f"{part} {camel(name)}", *shown)


def _part(operation: Operation) -> str:
    """What an operation touches within its object: "" for the object's own row, "member anna@x.org", "role x_app"."""
    resource = operation.before or operation.after
    match resource:
        case Row() | None:
            return addresses.nested(operation.address).replace("/", " ", 1)
        case Role() | Database():
            return f"{kind_of(resource)} {resource.name}"
        case Schema():
            return ""
        case Package():
            return f"package {resource.version}"
        case _:
            assert_never(resource)
