"""Compares the journal's last applied state with what is live: finds manual changes, never changes pending in the YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, assert_never

from tenantplan.model import address as addresses
from tenantplan.model.audit import parsed
from tenantplan.model.drift import DriftItem
from tenantplan.model.encode import from_json
from tenantplan.model.resource import (
    CHANGED_OUTSIDE,
    TYPES,
    Database,
    Package,
    Ref,
    Resource,
    Role,
    Row,
    Schema,
    Secret,
    State,
    one,
    references_of,
)
from tenantplan.planning.comparable import comparable
from tenantplan.planning.diff import under_new_names
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.rendering.values import changes
from tenantplan.tables import BUILTIN

KEPT = "deleted, kept for its grace period"
_NOUNS = {kind: noun for noun, kind in TYPES.items()}


@dataclass(frozen=True)
class Applied:
    """What the journal says should be there: `state`; and what should not, `gone`, mapped to whether its data is kept."""

    state: State
    gone: Mapping[str, bool]

    @property
    def unmanaged(self) -> State:
        """Rows of the application that applied ones refer to, as far as their addresses say how to find them: by their names."""
        named = {t.kind: t for t in BUILTIN.values() if not t.parent and t.identity == (t.name,)}
        found: State = {}
        for resource in self.state.values():
            for referred in references_of(resource).values():
                kind = addresses.kind(referred)
                if kind in named and referred not in self.state and addresses.is_document(referred):
                    found[referred] = Row(named[kind].table, {named[kind].name: addresses.name(referred)})
        return found

    @property
    def addresses(self) -> list[str]:
        """Every address the journal knows under its present name."""
        return [*self.state, *self.gone]


def read_applied(connection: Connection) -> Applied:
    """The last successful operation on each address, brought under the names that later renames gave them."""
    entries = [
        (seq, 1, address, (retire, after))
        for address, seq, _, retire, after in connection.execute(query("last_applied")).fetchall()
    ]
    renames = [(seq, 0, old, new) for seq, old, new in connection.execute(query("renames_applied")).fetchall()]
    state: State = {}
    gone: dict[str, bool] = {}
    # In journal order, and of one operation the rename first: what it left behind is already under its new name.
    for _, step, address, what in sorted([*entries, *renames], key=lambda event: event[:2]):
        if step == 0:
            state, _ = under_new_names(state, _with_schema(address, what))
            state = {_named(known, resource): resource for known, resource in state.items()}
            continue
        retire, after = what
        document = parsed(after)
        if isinstance(document, dict):
            resource = from_json(document)
            assert resource is not None
            state[address] = resource
            gone.pop(address, None)
        else:
            state.pop(address, None)
            gone[address] = retire
            if not retire and addresses.kind(address) == "database":  # a dropped database takes its schema with it
                state.pop(addresses.schema_of_database(address), None)
    return Applied(state, gone)


def _with_schema(old: str, new: str) -> dict[str, str]:
    """A rename, and that of the schema in it: what was migrated before has an entry of its own, under the old name."""
    inside = {
        addresses.brought_schema(old): addresses.brought_schema(new)
    }  # of the database that an organization brought
    if addresses.kind(old) == "database":
        inside = {addresses.schema_of_database(old): addresses.schema_of_database(new)}
    return {old: new, **inside}


def _named(address: str, resource: Resource) -> str:
    """The address of a row that is named after another one, such as a membership after its user: it follows its renames."""
    row = one(resource, Row)
    rowtype = BUILTIN.get(row.table) if row is not None else None
    if row is None or rowtype is None or rowtype.parent is None or rowtype.name not in rowtype.refs:
        return address
    return rowtype.address(row.values[rowtype.name].address, row.values[rowtype.parent].address)


def differences(applied: Applied, live: State, readable: set[str], skipped: set[str]) -> list[DriftItem]:
    """Every difference, by address. Nothing is said of servers that are not `readable`, nor of the addresses `skipped`."""
    items: list[DriftItem] = []
    for address in sorted({*applied.state, *applied.gone, *live} - skipped):
        want, have = applied.state.get(address), live.get(address)
        if not _in_sight(want or have, applied, readable):
            continue
        if want is not None:
            items += _changed(address, _with_live_references(want, have, applied.state), have)
        elif address in applied.gone:
            items += _returned(address, have, kept=applied.gone[address])
        elif have is not None and _stranger(have):
            items.append(DriftItem(address, _NOUNS[type(have)], "", "made by hand, with this fleet's mark"))
    return items


def _in_sight(known: Resource | None, applied: Applied, readable: set[str]) -> bool:
    """Whether something can be said of it; not of a database that an organization brought and has left: it is its own again."""
    match known:
        case Schema() if addresses.is_brought(known.server):
            return _brings(applied, known.holder)
        case Role() | Database() | Schema():
            return known.server in readable
        case Row() | Package() | None:
            return True
        case _:
            assert_never(known)


def _with_live_references(want: Resource, have: Resource | None, known: State) -> Resource:
    """A row as applied, with what it refers to and the application made as the reader names it now: by an id, if at all."""
    row, found = one(want, Row), one(have, Row)
    if row is None or found is None:
        return want
    ids = {
        column: live
        for column, value in row.values.items()
        if isinstance(value, Ref) and value.address not in known
        if isinstance(live := found.values.get(column), Ref) and "/" not in live.address
    }
    return replace(row, values={**row.values, **ids}) if ids else want


def _brings(applied: Applied, holder: str | None) -> bool:
    row = one(applied.state.get(holder or ""), Row)
    return row is not None and bool(row.values.get("database_url"))


def _changed(address: str, want: Resource, have: Resource | None) -> Iterator[DriftItem]:
    if have is None:
        yield DriftItem(address, _NOUNS[type(want)], "as applied", "")
        return
    reduced = comparable(have, want)
    row, found = one(want, Row), one(reduced, Row)
    if row is not None and found is not None:
        yield from _row(address, row, found)
        if have.retired_at is not None:
            yield DriftItem(address, "deleted_at", "", have.retired_at)
        if not have.managed:
            yield DriftItem(address, "managed_by", "this fleet", "somebody else")
        return
    for field in fields(want):
        before, after = getattr(want, field.name), getattr(reduced, field.name)
        if field.compare and not _equal(before, after):
            yield DriftItem(address, field.name, _format(before), _format(after))


def _row(address: str, want: Row, have: Row) -> Iterator[DriftItem]:
    secrets = {column for column, value in want.values.items() if isinstance(value, Secret)}
    for column in sorted(secrets):
        if not _equal(want.values[column], have.values.get(column)):
            yield DriftItem(address, column, "as applied", "changed by hand")
    plain = [
        replace(row, values={name: value for name, value in row.values.items() if name not in secrets})
        for row in (want, have)
    ]
    for field in changes(plain[0], plain[1]):
        yield DriftItem(address, field.label, field.before or "", field.after or "")


def _equal(want: Any, have: Any) -> bool:
    """Whether a value is as applied; of a secret applied before there was a key for its hash, only that nobody replaced it."""
    if isinstance(want, Secret) and want.keyed is None:
        return isinstance(have, Secret) and have.keyed != CHANGED_OUTSIDE
    return bool(want == have)


def _returned(address: str, have: Resource | None, *, kept: bool) -> Iterator[DriftItem]:
    """What was deleted: purged things must not be there, retired ones must still be, and closed."""
    kind = addresses.kind(address)
    noun = kind if kind in _NOUNS.values() else "row"
    if have is None:
        if kept:
            yield DriftItem(address, noun, KEPT, "")
        return
    if one(have, Schema) or not have.managed:
        return
    if not kept:
        yield DriftItem(address, noun, "", "there again")
    elif have.retired_at is None:
        yield DriftItem(address, noun, KEPT, "in use again")
    else:
        yield from _open_again(address, have)


def _open_again(address: str, have: Resource) -> Iterator[DriftItem]:
    match have:
        case Role():
            if have.login:
                yield DriftItem(address, "login", "false", "true")
        case Database():
            if have.allow_connections:
                yield DriftItem(address, "allow_connections", "false", "true")
        case Row() | Schema() | Package():
            pass
        case _:
            assert_never(have)


def _stranger(have: Resource) -> bool:
    """Whether a live thing with the fleet's mark could only have been made by hand: not its schemas, groups or main database."""
    match have:
        case Row():
            return have.managed
        case Role() | Database() | Package():
            return have.managed and have.holder is not None
        case Schema():
            return False
        case _:
            assert_never(have)


def _format(value: Any) -> str:
    if value is None or isinstance(value, Secret):
        return "" if value is None else "(secret)"
    if isinstance(value, tuple):
        return ", ".join(value) or "nobody"
    return str(value).lower() if isinstance(value, bool) else str(value)
