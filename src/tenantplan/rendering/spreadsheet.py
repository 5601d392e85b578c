"""Rows as CSV (RFC 4180) that neither a terminal nor a spreadsheet obeys."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from tenantplan.rendering.safe import mask_url, terminal

# A cell that begins so is a formula to Excel, LibreOffice or Google Sheets; the wide ones are Unicode's.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and the rows, ended by CRLF. Text is quoted always, so that no separator of any locale splits it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerow(columns)
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return out.getvalue()


def _inert(cell: object) -> object:
    if cell is None or isinstance(cell, (int, float)):
        return "" if cell is None else cell
    shown = terminal(mask_url(str(cell)))
    return f"'{shown}" if shown.lstrip(" \u3000'\"").startswith(_FORMULA) else shown
