"""The rows that translators hand in, while a manifest is being resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenantplan.documents import Document
from tenantplan.model.resource import Row, State
from tenantplan.tables.rowtype import RowType


class Draft:
    """Resources, deletions and origins so far."""

    def __init__(self) -> None:
        self.state: State = {}
        self.deleted: set[str] = set()
        self.origins: dict[str, str] = {}

    def row(
        self, address: str, rowtype: RowType, values: Mapping[str, Any], document: Document, *path: str | int
    ) -> None:
        """Want a row; declared columns that `values` leaves out are NULL."""
        unknown = values.keys() - rowtype.columns.keys()
        if unknown:
            raise KeyError(f"{rowtype.table} has no declared columns {sorted(unknown)}")
        self.state[address] = Row(rowtype.table, {column: values.get(column) for column in rowtype.columns})
        self.origin(address, document, *path)

    def delete(self, address: str, document: Document, *path: str | int) -> None:
        """Want something gone."""
        self.deleted.add(address)
        self.origin(address, document, *path)

    def origin(self, address: str, document: Document, *path: str | int) -> None:
        """Remember where an address was declared."""
        source = document.at(*path) if path else document.source
        self.origins[address] = f"{source.path}:{source.line}"
