"""Compares kinds that a fleet declares itself with the tables they describe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tenantplan.model.address import resource_kind
from tenantplan.model.finding_rules import KIND
from tenantplan.model.plan import Finding
from tenantplan.model.rowtype import Relation, RowType, Tables
from tenantplan.tables import BUILTIN

# Type of a RowType's column -> PostgreSQL's types that it can be read from and written to
_FITS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "character varying", "citext"),
    "int": ("smallint", "integer", "bigint"),
    "bool": ("boolean",),
    "json": ("jsonb",),
    "timestamp": ("timestamp with time zone",),
    "list": ("text[]", "character varying[]"),
    "encrypted": ("bytea",),
}
_SERIAL = ("smallint", "integer", "bigint")


def with_ids(tables: Tables, relations: Mapping[str, Relation]) -> dict[str, RowType]:
    """The tables, each kind of the fleet's own knowing whether its ids are given by the database."""
    return {name: _with_id(rowtype, relations.get(".".join(rowtype.relation))) for name, rowtype in tables.items()}


def _with_id(rowtype: RowType, relation: Relation | None) -> RowType:
    attribute = relation.attributes.get(rowtype.id) if relation else None
    return replace(rowtype, serial=attribute.type in _SERIAL) if attribute else rowtype


def mismatches(kinds: Iterable[RowType], relations: Mapping[str, Relation]) -> list[Finding]:
    """A finding for each reason why the rows of a table cannot be declared: a column that is missing, or of another type."""
    return [
        Finding(resource_kind(rowtype.kind), KIND, f"table {rowtype.table}: {problem}")
        for rowtype in kinds
        for problem in _problems(rowtype, relations.get(".".join(rowtype.relation)), relations)
    ]


def _problems(rowtype: RowType, relation: Relation | None, relations: Mapping[str, Relation]) -> Iterator[str]:
    if relation is None:
        yield "does not exist in the main database; create it first, in a migration of your own"
        return
    if not relation.writable:
        yield "tenantplan's role may not SELECT, INSERT, UPDATE and DELETE there; its owner grants that"
    if relation.rules:
        yield "has rules (CREATE RULE), which change what is written"
    if relation.filtered:
        yield "has row security that tenantplan's role is subject to: its rows would be hidden"
    named = {*rowtype.columns, rowtype.id, rowtype.owner}
    for name in sorted(named - relation.attributes.keys()):
        yield f"has no column {name}{_add_column_hint(rowtype, name)}"
    yield from (
        f"column {name} is required by every row and not declared in the kind"
        for name, attribute in relation.attributes.items()
        if attribute.needed and name not in named
    )
    for name, attribute in relation.attributes.items():
        expected = _expected(rowtype, name, relations)
        if name in rowtype.columns and attribute.generated:
            yield f"column {name} is generated, so that nothing can be written to it"
        elif expected and attribute.type not in expected:
            yield f"column {name} is {attribute.type}, expected {' or '.join(expected)}"
    yield from _keys(rowtype, relation)


def _add_column_hint(rowtype: RowType, name: str) -> str:
    return f" (ALTER TABLE {rowtype.table} ADD COLUMN {name} text)" if name == rowtype.owner else ""


def _expected(rowtype: RowType, name: str, relations: Mapping[str, Relation]) -> tuple[str, ...]:
    if name == rowtype.owner:
        return _FITS["text"]
    if name == rowtype.id:
        return ("uuid", *_SERIAL)
    if name in rowtype.refs:
        return _identity(rowtype.refs[name], relations)
    return _FITS.get(rowtype.columns.get(name, ""), ())


def _identity(table: str, relations: Mapping[str, Relation]) -> tuple[str, ...]:
    """The type of what a reference to a table holds: the type of its primary key, or () where that is not known."""
    if table in BUILTIN:
        return ("uuid",)
    relation = relations.get(table if "." in table else f"public.{table}")
    return tuple(a.type for a in relation.attributes.values() if a.primary) if relation else ()


def _keys(rowtype: RowType, relation: Relation) -> Iterator[str]:
    key, identity = relation.attributes.get(rowtype.name), relation.attributes.get(rowtype.id)
    if key and not key.unique:
        yield f"column {rowtype.name} is the key, and no unique index is on it alone"
    if identity and not identity.primary:
        yield f"column {rowtype.id} is not its primary key"
    if identity and identity.type in _SERIAL and "encrypted" in rowtype.columns.values():
        yield f"encrypted columns need rows with a uuid as {rowtype.id}"
    owner = relation.attributes.get(rowtype.owner)
    if owner and owner.mandatory:
        yield f"column {rowtype.owner} must be able to be NULL: that is what rows of the application have"
