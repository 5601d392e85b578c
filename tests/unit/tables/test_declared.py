"""When a document asks for a value: the table in docs/resources.md says for each column what its RowType says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.model.rowtype import ALWAYS, ONCE, WRITTEN, RowType
from tenantplan.rendering.values import label
from tenantplan.tables import ROW_TYPES

DOCS = Path(__file__).parents[3] / "docs" / "resources.md"


def rows() -> list[list[str]]:
    """The cells of the table, without the kinds."""
    _, _, after = DOCS.read_text().partition("| kind | declared always | declared when written | the application's |\n")
    lines = after.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


@pytest.mark.parametrize("number", range(len(ROW_TYPES)), ids=[t.table for t in ROW_TYPES])
def test_the_docs_say_when_a_field_is_compared(number: int) -> None:
    rowtype = ROW_TYPES[number]
    assert rows()[number] == [cell(rowtype, when) for when in (ALWAYS, WRITTEN, ONCE)]


def cell(rowtype: RowType, when: str) -> str:
    """The columns of one cell, those that access hangs on in bold."""
    names = [(label(rowtype.table, c), c in rowtype.access) for c in rowtype.columns if rowtype.declared(c) == when]
    return ", ".join(f"**{name}**" if bold else name for name, bold in names)


@pytest.mark.parametrize("rowtype", ROW_TYPES, ids=lambda t: t.table)
def test_what_switches_something_on_is_never_a_default(rowtype: RowType) -> None:
    """Every column that tells whether something is active, expired or revoked is one that access hangs on; what becomes of an
    invitation is in its status, which is the application's."""
    if rowtype.kind == "invitation":
        return
    switches = {c for c in rowtype.columns if c in ("active", "enabled", "expires_at", "status")} - {*rowtype.once}
    assert switches <= set(rowtype.access) <= set(rowtype.written)
    assert not {*rowtype.identity, rowtype.name, rowtype.parent} & {*rowtype.written, *rowtype.once}
    assert not rowtype.access or "updated_at" in rowtype.observed
