"""Documents of different names that declare one row, such as two teams of one slug."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tenantplan.documents import Problem
from tenantplan.manifest.draft import Draft
from tenantplan.model import address as addresses
from tenantplan.model.resource import Ref, Row, Secret, of_type
from tenantplan.model.rowtype import Tables


def same_rows(draft: Draft, tables: Tables) -> Iterator[Problem]:
    """A problem for each row whose key another one has already, at both places; and for each API key given out twice."""
    seen: dict[tuple[Any, ...], str] = {}
    for address, row in of_type(draft.state, Row).items():
        rowtype = tables[row.table]
        keys = [rowtype.identity] if rowtype.key else []
        keys += [(column,) for column, kind in rowtype.columns.items() if kind == "sha256"]
        for columns in keys:
            values = [row.values.get(column) for column in columns]
            first = seen.setdefault((row.table, columns, *map(_hashable, values)), address)
            if first != address and None not in values:
                yield _problem(draft, address, first, ", ".join(_format(value) for value in values))


def _hashable(value: Any) -> Any:
    return value.reference if isinstance(value, Secret) else value


def _format(value: Any) -> str:
    if isinstance(value, Secret):
        return str(value.reference)
    return addresses.name(value.address) if isinstance(value, Ref) else str(value)


def _problem(draft: Draft, address: str, first: str, key: str) -> Problem:
    (document, path), (other, where) = draft.places[address], draft.places[first]
    message = f"{address} is the same row as {first} ({key}); first at {other.at(*(where or ('metadata', 'name')))}"
    return document.problem(message, *(path or ("metadata", "name")), hint="give one of them another slug, name or key")
