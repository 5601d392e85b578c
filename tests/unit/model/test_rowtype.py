"""Row types: how a row is addressed and found, and how a plan file keeps the description of a table."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from tenantplan.model.encode import canonical
from tenantplan.model.rowtype import COLUMN_TYPES, RowType
from tenantplan.tables import BUILTIN, ROW_TYPES, control, projects


@pytest.mark.parametrize("rowtype", ROW_TYPES, ids=lambda t: t.table)
def test_there_and_back(rowtype: RowType) -> None:
    again = RowType.parse(json.loads(canonical(rowtype.document())))
    assert again == rowtype
    for field in fields(RowType):  # equal tuples and lists would not be equal, but equal enough to be missed
        assert type(getattr(again, field.name)) is type(getattr(rowtype, field.name))


@pytest.mark.parametrize("missing", ["kind", "table", "name", "columns", "key", "retired", "observed"])
def test_a_description_that_lacks_something(missing: str) -> None:
    document = control.TENANT.document()
    del document[missing]
    with pytest.raises((KeyError, TypeError)):
        RowType.parse(document)


def test_relations() -> None:
    assert RowType("a", "webhooks", "name", {}).relation == ("public", "webhooks")
    assert RowType("a", "crm.webhooks", "name", {}).relation == ("crm", "webhooks")


def test_what_makes_a_row_the_declared_one() -> None:
    assert control.USER.identity == ("email",)
    assert control.MODULE.identity == ("organization_id", "name")
    assert projects.PROJECT.identity == ("organization_id", "slug")


def test_addresses() -> None:
    assert control.USER.address("anna@x.org") == "user/anna@x.org"
    assert control.MODULE.address("donors", "organization/msf") == "organization/msf/module/donors"
    for name in ("anna@x.org", "user/anna@x.org"):  # a name that refers to another row is that row's name
        assert control.MEMBER.address(name, "organization/msf") == "organization/msf/member/anna@x.org"


@pytest.mark.parametrize("rowtype", ROW_TYPES, ids=lambda t: t.table)
def test_every_table_is_described_consistently(rowtype: RowType) -> None:
    columns = rowtype.columns
    assert BUILTIN[rowtype.table] is rowtype
    assert set(columns.values()) <= set(COLUMN_TYPES)
    assert {c for c, kind in columns.items() if kind == "ref"} == rowtype.refs.keys()
    assert set(rowtype.refs.values()) <= BUILTIN.keys()
    assert rowtype.enums.keys() <= columns.keys() and rowtype.stamps.keys() <= columns.keys()
    assert {*rowtype.identity, *rowtype.once, *rowtype.fixed, *rowtype.retired} <= columns.keys()
    assert {*rowtype.uses, *rowtype.late} <= rowtype.refs.keys() and set(rowtype.late) <= set(rowtype.uses)
    assert {rowtype.home or rowtype.parent or next(iter(columns))} <= columns.keys()


def test_kinds_and_parents_make_an_address_that_no_other_table_has() -> None:
    places = [(t.kind, t.refs[t.parent] if t.parent else None) for t in ROW_TYPES]
    assert len(set(places)) == len(places)
