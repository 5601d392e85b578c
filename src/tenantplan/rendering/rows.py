"""The rows of a report: as a table for people, and as JSON documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenantplan.rendering.parts import clipped
from tenantplan.rendering.safe import mask_url
from tenantplan.rendering.text import table

Cell = str | int | float | None
_CELL = 80
_COUNTED_SINCE = "An index without a date was counted since its database was created, or since the server last crashed."


@dataclass(frozen=True)
class Rows:
    """Columns and rows, and what to say where there are none."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str


def rows_text(found: Rows, *, color: bool = False) -> str:
    """A table under its headers; sizes in the unit that fits."""
    if not found.rows:
        return f"{found.empty}\n"
    headers = [column.removesuffix("_bytes").replace("_", " ").upper() for column in found.columns]
    lines = [[_cell(*pair) for pair in zip(found.columns, row, strict=True)] for row in found.rows]
    note = f"\n{_COUNTED_SINCE}\n" if "counted_since" in found.columns else ""
    return table(headers, lines, color=color) + note


def rows_documents(found: Rows) -> list[dict[str, Cell]]:
    """A document for each row, by column."""
    return [dict(zip(found.columns, map(_masked, row), strict=True)) for row in found.rows]


def _cell(column: str, cell: Cell) -> Cell:
    if column.endswith("_bytes") and isinstance(cell, int):
        return _size(cell)
    return clipped(mask_url(cell), _CELL) if isinstance(cell, str) else cell


def _size(count: int) -> str:
    """Bytes in the unit that fits."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def _masked(cell: Cell) -> Cell:
    return mask_url(cell) if isinstance(cell, str) else cell
