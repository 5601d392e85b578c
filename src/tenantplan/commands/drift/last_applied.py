"""Compares the journal's last applied state with what is live: finds manual changes, never changes pending in the YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from tenantplan.model import address as addresses
from tenantplan.model.audit import parsed
from tenantplan.model.drift import DriftItem
from tenantplan.model.encode import from_json
from tenantplan.model.resource import (
    CHANGED_OUTSIDE,
    Database,
    Package,
    Ref,
    Resource,
    Role,
    Row,
    Schema,
    Secret,
    State,
)
from tenantplan.planning.comparable import comparable
from tenantplan.planning.diff import under_new_names
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.rendering.values import changes
from tenantplan.tables import BUILTIN

KEPT = "deleted, kept for its grace period"
_NOUNS = {Row: "row", Role: "role", Database: "database", Schema: "schema", Package: "package"}


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
            for referred in resource.references.values() if isinstance(resource, Row) else ():
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
    rowtype = BUILTIN.get(resource.table) if isinstance(resource, Row) else None
    if rowtype is None or rowtype.parent is None or rowtype.name not in rowtype.refs or not isinstance(resource, Row):
        return address
    return rowtype.address(resource.values[rowtype.name].address, resource.values[rowtype.parent].address)


def differences(applied: Applied, live: State, readable: set[str], skipped: set[str]) -> list[DriftItem]:
    """Every difference, by address. Nothing is said of servers that are not `readable`, nor of the addresses `skipped`."""
    items: list[DriftItem] = []
    for address in sorted({*applied.state, *applied.gone, *live} - skipped):
        want, have = applied.state.get(address), live.get(address)
        known = want or have
        if isinstance(known, (Role, Database)) and known.server not in readable:
            continue
        if isinstance(known, Schema) and addresses.is_brought(known.server) and not _brings(applied, known.holder):
            continue  # the organization has left the database that it brought: that is its own again
        if isinstance(known, Schema) and known.server not in readable and not addresses.is_brought(known.server):
            continue
        if want is not None:
            items += _changed(address, _with_live_references(want, have, applied.state), have)
        elif address in applied.gone:
            items += _returned(address, have, kept=applied.gone[address])
        elif have is not None and _stranger(have):
            items.append(DriftItem(address, _NOUNS[type(have)], "", "made by hand, with this fleet's mark"))
    return items


def _with_live_references(want: Resource, have: Resource | None, known: State) -> Resource:
    """A row as applied, with what it refers to and the application made as the reader names it now: by an id, if at all."""
    if not isinstance(want, Row) or not isinstance(have, Row):
        return want
    ids = {
        column: live
        for column, value in want.values.items()
        if isinstance(value, Ref) and value.address not in known
        if isinstance(live := have.values.get(column), Ref) and "/" not in live.address
    }
    return replace(want, values={**want.values, **ids}) if ids else want


def _brings(applied: Applied, holder: str | None) -> bool:
    row = applied.state.get(holder or "")
    return isinstance(row, Row) and bool(row.values.get("database_url"))


def _changed(address: str, want: Resource, have: Resource | None) -> Iterator[DriftItem]:
    if have is None:
        yield DriftItem(address, _NOUNS[type(want)], "as applied", "")
        return
    reduced = comparable(have, want)
    if isinstance(want, Row) and isinstance(reduced, Row):
        yield from _row(address, want, reduced)
        if isinstance(have, Row) and have.retired_at is not None:
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
    if isinstance(have, Schema) or not have.managed:
        return
    if not kept:
        yield DriftItem(address, noun, "", "there again")
    elif have.retired_at is None:
        yield DriftItem(address, noun, KEPT, "in use again")
    elif isinstance(have, Role) and have.login:
        yield DriftItem(address, "login", "false", "true")
    elif isinstance(have, Database) and have.allow_connections:
        yield DriftItem(address, "allow_connections", "false", "true")


def _stranger(have: Resource) -> bool:
    """Whether a live thing with the fleet's mark could only have been made by hand: not its schemas, groups or main database."""
    if isinstance(have, Row):
        return have.managed
    return not isinstance(have, Schema) and have.managed and have.holder is not None


def _format(value: Any) -> str:
    if value is None or isinstance(value, Secret):
        return "" if value is None else "(secret)"
    if isinstance(value, tuple):
        return ", ".join(value) or "nobody"
    return str(value).lower() if isinstance(value, bool) else str(value)
