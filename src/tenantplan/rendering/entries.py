"""The operations of one declared object as entries: what becomes of an organization, in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Resource, Role, Row, Secret
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
        nested = [Field("-", _part(o)) for o in operations if o is not own and isinstance(o.before, Row)]
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
            return _entry("+", operations[0].address, _describe(operations[0]), (), operations)
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
    headline = _describe(own)
    others = [operation for operation in operations if operation is not own]
    found = (o for o in others if o.action == "create" and isinstance(o.after, Database))
    database = next(found, None) if isinstance(own.after, Row) else None
    if database is not None and isinstance(database.after, Database):
        headline = f"dedicated on {database.after.server}: {_describe(database)}"
        others.remove(database)
    inside = _contents(others)
    headline = ", ".join(part for part in (headline, inside) if part)
    values = tuple(effective(own.after, LONG)) if wording.verbose and isinstance(own.after, Row) else ()
    shape = "dedicated" if database is not None else _describe(own) or "new"
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
    names = [o.before.name for o in operations if isinstance(o.before, Database)]
    rows = [o.before for o in operations if isinstance(o.before, Row)]
    roles = sum(isinstance(o.before, Role) for o in operations)
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
    if isinstance(moved.before, Row) and isinstance(moved.after, Row):
        return f"move: from {_place(moved.before)} to {_place(moved.after)}"
    return moved.summary


def _place(row: Row) -> str:
    values = row.values
    if values.get("database_url"):
        return f"its own database at {show(Secret(str(values['database_url'])))}"
    if values.get("database_mode") == "dedicated":
        return f"database {values.get('database_name')} on {values.get('database_server')}"
    if values.get("database_mode") is None:
        return "nowhere"
    return "the organization's database" if values.get("database_mode") == "inherit" else "the shared tables"


def _databases(names: Sequence[str]) -> str:
    return f"database{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _describe(operation: Operation) -> str:
    """A new resource in a few words."""
    resource = operation.after
    if isinstance(resource, Row):
        return _row(resource) or operation.summary
    if isinstance(resource, Database):
        return f"database {resource.name}" + (f" at {operation.revisions[-1]}" if operation.revisions else "")
    if isinstance(resource, Package):
        return f"{counted(resource.size, 'byte')} in {resource.store}"
    if isinstance(resource, Role):
        bound = ", bound to it by the server" if resource.access == "bound" else ""
        return f"{'login' if resource.login else 'group'} role" + _members(resource) + bound
    return operation.summary


def _members(role: Role) -> str:
    return f" in {', '.join(role.member_of)}" if role.member_of else ""


_TELLING = (
    ("tier_id", "tier "),
    ("organization_id", "organization "),
    ("team_id", "team "),
    ("template_id", "template "),
    ("provider", ""),
    ("version", "version "),
    ("role", ""),
    ("access", ""),
    ("status", ""),
)
_NOUNS = {"apikey": "API key", "license": "licence"}


def _row(row: Row) -> str:
    """What tells one row of its kind from another."""
    values = {**row.initial, **row.values}
    parts: list[str] = []
    if row.table == "organizations":
        mode = str(values.get("database_mode") or "shared")
        parts.append(f"{mode}, {_place(row)}" if values.get("database_url") else mode)
        parts += [f"state {values['state']}"] if values.get("state") not in (None, "active") else []
    if row.table == "organization_modules":
        parts.append("enabled" if values.get("enabled") else "disabled")
    parent = BUILTIN[row.table].parent if row.table in BUILTIN else None
    for column, word in _TELLING:
        if values.get(column) is not None and parent != column:
            value = values[column]
            parts.append(word + (value if isinstance(value, str) else show(value)))
    if values.get("rotate_every_days"):
        parts.append(f"to be rotated every {counted(values['rotate_every_days'], 'day')}")
    if values.get("expires_at"):
        parts.append(f"expires {str(values['expires_at'])[:10]}")
    if flags := values.get("feature_flags"):
        parts.append(counted(len(flags), "feature flag"))
    if not parts and values.get("display_name"):
        parts.append(show(values["display_name"]))
    return ", ".join(parts)


def _contents(operations: Sequence[Operation]) -> str:
    """How many of each kind: "3 roles, 2 modules, 1 member"."""
    counts = Counter(_kind(operation.after) for operation in operations if operation.action == "create")
    return ", ".join(counted(number, noun) for noun, number in counts.items())


def _kind(resource: Resource | None) -> str:
    if isinstance(resource, Row):
        kind = BUILTIN[resource.table].kind if resource.table in BUILTIN else "row"
        return _NOUNS.get(kind, kind)
    return type(resource).__name__.lower()


def _fields(operations: Sequence[Operation], wording: Wording) -> tuple[Field, ...]:
    return tuple(field for operation in operations for field in _operation_fields(operation, wording))


def _operation_fields(operation: Operation, wording: Wording) -> list[Field]:
    before, after = operation.before, operation.after
    part = _part(operation)
    if operation.action == "create":
        described = _describe(operation)
        if isinstance(after, Database):
            described = f"at {operation.revisions[-1]}" if operation.revisions else ""
        return [Field("+", part or operation.address, None, mask_url(described))]
    found: list[Field] = []
    if operation.adopt:
        found.append(Field("~", f"{part} managed by".strip(), "the application", "this fleet"))
    if operation.renamed_from and (after is None or isinstance(after, Row)):
        found.append(Field("~", f"{part} renamed".strip(), operation.renamed_from, operation.address))
    if isinstance(before, Row) and isinstance(after, Row):
        found += changes(before, after, f"{part} " if part else "", wording.limit)
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
    if isinstance(resource, (Role, Database)):
        return f"{_kind(resource)} {resource.name}"
    if isinstance(resource, Package):
        return f"package {resource.version}"
    return (
        addresses.nested(operation.address).replace("/", " ", 1)
        if resource is None or isinstance(resource, Row)
        else ""
    )
