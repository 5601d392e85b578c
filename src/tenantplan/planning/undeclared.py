"""Fields that documents leave out: the application's, unless a document declared them when it was last applied. PURE.

A line that goes takes back what it set, as long as nobody has changed it since. It never gives access back, and neither does
a default: that takes the value itself. What the application deleted stays deleted, and what was closed when it was deleted comes
back closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import DELETED_BY_APPLICATION, STAYS_DISABLED
from tenantplan.model.moment import ordered
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, State, of_type, one, sides
from tenantplan.model.rowtype import RowType, Tables
from tenantplan.planning.access import gives_more, raised_columns


@dataclass(frozen=True)
class Last:
    """What the last operation on a row left, None: it deleted it; when it ended (ISO 8601); and what it found."""

    row: Row | None
    at: str
    before: Row | None = None


@dataclass(frozen=True)
class Settled:
    """The desired state with what lines that are gone take back; `notes` on what stays as it is all the same, and `left`: the
    documents whose rows the application deleted, with all that is nested in them left alone."""

    desired: Desired
    notes: tuple[Finding, ...] = ()
    left: Mapping[str, Finding] = field(default_factory=dict)


def needing_the_journal(desired: Desired, live: State) -> list[str]:
    """Addresses of the rows of which only the journal tells who made them what they are."""
    asked = [a for a, want, have in _pairs(desired, live) if _asks(want, have, desired.tables[want.table])]
    return [*asked, *(address for address in of_type(desired.state, Row) if address not in live)]


def settled(desired: Desired, live: State, last: Mapping[str, Last]) -> Settled:
    """The desired state, knowing what was last applied to the rows that are in question."""
    state, notes, left = dict(desired.state), [], dict(_not_adopted(desired, live))
    for address, want, have in _pairs(desired, live):
        rowtype, known = desired.tables[want.table], last.get(address)
        if _deleted_by_others(want, have, known) and desired.restores.get(address) != have.id:
            left[address] = Finding(address, DELETED_BY_APPLICATION, _left(have))
        if have.retired_at is None and desired.restores.get(address) == have.id is not None:
            notes.append(Finding(address, "restore", _RESTORED))
        if shut := _shut(want, have, known, rowtype):
            want = replace(want, initial={**want.initial, **shut})
            state[address] = want
            if address not in left:
                notes.append(Finding(address, STAYS_DISABLED, _still_shut(shut)))
        unsaid = [c for c in _undeclared(want, have, rowtype) if have.retired_at is None or c not in rowtype.retired]
        gone = {c: want.initial.get(c) for c in unsaid if _declared_before(c, have, known)}
        kept = [c for c, value in gone.items() if c in rowtype.access and gives_more(have.values.get(c), value)]
        if kept:
            notes.append(Finding(address, STAYS_DISABLED, _kept(have, gone, kept)))
        if "state" in unsaid and "state" not in gone and _same("state", have, known):
            notes.append(Finding(address, STAYS_DISABLED, _maybe_by_application(have)))
        if back := {c: value for c, value in gone.items() if c not in kept}:
            initial = {c: value for c, value in want.initial.items() if c not in back}
            state[address] = replace(want, values={**want.values, **back}, initial=initial)
    return Settled(replace(desired, state=state), tuple(notes), left)


def restored_access(
    operations: Iterable[Operation], live: State, last: Mapping[str, Last], tables: Tables
) -> Iterator[Finding]:
    """A note for each operation that gives access back which the application has taken away."""
    for operation in operations:
        (before, after), have = sides(operation, Row), one(live.get(operation.address), Row)
        if before is None or after is None or have is None:
            continue
        known = last.get(operation.address)
        theirs = have.observed["deleted_at"] if operation.adopt and operation.restore else None
        if theirs or (operation.restore and _deleted_by_others(after, have, known)):
            message = f"re-enables what the application deleted at {theirs or have.retired_at}"
            yield Finding(operation.address, "re-enables", message)
        rowtype = tables[after.table]
        if operation.restore:
            before = replace(before, values={**before.values, **_at_deletion(have, known, rowtype)})
        columns = [
            c for c in raised_columns(before, after, rowtype) if operation.restore or not _applied(c, have, known)
        ]
        if columns:
            values = ", ".join(f"{_name(c)} {_format(before.values[c])} -> {_format(after.values[c])}" for c in columns)
            when = "before it was deleted" if operation.restore else _when(have, known)
            who = "was disabled" if operation.restore else "the application disabled"
            yield Finding(operation.address, "re-enables", f"re-enables what {who} {when}: {values}")


def recreated(operations: Iterable[Operation], last: Mapping[str, Last]) -> list[Operation]:
    """The operations; those that make a row again which was applied and which tenantplan has not deleted are risky."""
    return [replace(o, risk="risky") if _removed(o, last) else o for o in operations]


def recreated_notes(operations: Iterable[Operation], last: Mapping[str, Last]) -> Iterator[Finding]:
    """A note for each of these."""
    for operation in operations:
        if _removed(operation, last):
            message = f"recreates what the application removed after {last[operation.address].at}"
            yield Finding(operation.address, "makes-again", message)


def _removed(operation: Operation, last: Mapping[str, Last]) -> bool:
    known = last.get(operation.address)
    made = operation.action == "create" and isinstance(operation.after, Row)
    return made and known is not None and known.row is not None


def _pairs(desired: Desired, live: State) -> Iterator[tuple[str, Row, Row]]:
    for address, want in of_type(desired.state, Row).items():
        have = one(live.get(address), Row)
        if have is not None and have.managed and want.table in desired.tables:
            yield address, want, have


def _not_adopted(desired: Desired, live: State) -> Iterator[tuple[str, Finding]]:
    """Documents that would adopt a row which the application has deleted: adopting alone undoes no deletion."""
    for address in desired.adopted:
        have = one(live.get(address), Row)
        if have is None or have.managed or address not in desired.state:
            continue
        if (deleted := have.observed.get("deleted_at")) and desired.restores.get(address) != have.id:
            yield address, Finding(address, DELETED_BY_APPLICATION, _stays_deleted(have, deleted))


def _asks(want: Row, have: Row, rowtype: RowType) -> bool:
    return (
        have.retired_at is not None
        or bool(_undeclared(want, have, rowtype))
        or bool(raised_columns(have, want, rowtype))
    )


def _undeclared(want: Row, have: Row, rowtype: RowType) -> list[str]:
    """Columns that the document does not say and whose live value is not the default."""
    return [
        c
        for c in rowtype.written
        if c not in want.values and c in have.values and have.values[c] != want.initial.get(c)
    ]


def _declared_before(column: str, have: Row, known: Last | None) -> bool:
    """Whether the live value is the one that a document said when it was last applied."""
    if known is None or known.row is None:
        return column == "state"  # what closes logins is never left half open
    return _applied(column, have, known)


def _applied(column: str, have: Row, known: Last | None) -> bool:
    """Whether the live value is the last operation's. A suspension is the application's where the row was changed later: it may
    have opened the organization and closed it again, and by itself the value does not show that."""
    return _same(column, have, known) and not (column == "state" and _touched_since(have, known))


def _same(column: str, have: Row, known: Last | None) -> bool:
    row = known.row if known is not None else None
    return row is not None and column in row.values and row.values[column] == have.values.get(column)


def _touched_since(have: Row, known: Last | None) -> bool:
    touched = have.observed.get("updated_at")
    return bool(touched and known is not None and known.at and ordered(touched) > ordered(known.at))


def _deleted_by_others(want: Row, have: Row, known: Last | None) -> bool:
    """Whether the application deleted a row that tenantplan had not. Organizations and tenants, whose databases go along, are
    deleted by tenantplan alone: their documents are refused."""
    theirs = have.retired_at is not None and known is not None and known.row is not None
    return theirs and "database_mode" not in want.values


def _at_deletion(have: Row, known: Last | None, rowtype: RowType) -> dict[str, Any]:
    """Columns of a deleted row that its deletion may have written, as they were before: by the journal where tenantplan deleted
    it, else by the row itself. What only the deletion can have written says nothing."""
    if have.retired_at is None:
        return {}
    columns = [c for c in rowtype.retired if c in rowtype.written]
    if known is not None and known.row is None and known.before is not None:
        return {c: known.before.values[c] for c in columns if c in known.before.values}
    theirs = known is not None and known.row is not None
    written = {c: rowtype.retired[c][0] for c in columns}
    return {c: v for c in columns if (v := have.values.get(c)) is not None and (theirs or _format(v) != written[c])}


def _shut(want: Row, have: Row, known: Last | None, rowtype: RowType) -> dict[str, Any]:
    """Values of columns that were closed when the row was deleted, and that its document does not say."""
    return {
        c: value
        for c, value in _at_deletion(have, known, rowtype).items()
        if c not in want.values and _format(value) != "deleted" and gives_more(value, want.initial.get(c))
    }


def _still_shut(values: Mapping[str, Any]) -> str:
    stays = ", ".join(f"{_name(c)} {_format(v)}" for c, v in values.items())
    return (
        f"is restored as it was when it was deleted: {stays}. Only an explicit value in the document gives access back"
    )


def _left(have: Row) -> str:
    return (
        f"the application deleted it at {have.retired_at}: left alone. metadata.restore: {have.id} would bring it back,"
        " state: deleted keeps it deleted"
    )


def _stays_deleted(have: Row, deleted: str) -> str:
    return (
        f"the application deleted it at {deleted}: left alone, and not adopted."
        f" metadata.restore: {have.id} beside adopt would adopt it and bring it back"
    )


_RESTORED = "metadata.restore: it has taken effect and can be removed; while it is there, a deletion by the application is undone"


def _kept(have: Row, defaults: Mapping[str, Any], columns: Iterable[str]) -> str:
    listed = list(columns)
    stays = ", ".join(f"{_name(c)} {_format(have.values[c])}" for c in listed)
    asks = ", ".join(f"{_name(c)} {_format(defaults[c])}" for c in listed)
    return (
        f"is no longer declared and stays as applied: {stays}."
        f" Only an explicit value in the document gives access back: {asks}"
    )


def _maybe_by_application(have: Row) -> str:
    return (
        f"state is no longer declared and stays {have.values['state']}: the application changed the row at"
        f" {have.observed['updated_at']}, after it was applied. Only state: active in the document opens it"
    )


def _when(have: Row, known: Last | None) -> str:
    """When the application changed a row, as far as it says so itself; else after which apply."""
    touched = have.observed.get("updated_at")
    if known is None or _touched_since(have, known):
        return f"at {touched}" if touched else "before it was adopted"
    return f"after {known.at}"


_NAMES = {"max_usage_count": "maxUsage", "expires_at": "expiresAt"}


def _name(column: str) -> str:
    return _NAMES.get(column, column)


def _format(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
