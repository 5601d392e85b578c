"""Collects the rows that translators produce while a manifest is resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tenantplan.documents import Document
from tenantplan.model.resource import Ref, Resource, Row, State
from tenantplan.model.rowtype import RowType

Fields = Mapping[str, tuple[str, ...]]
_NONE: Fields = {}


def _declares(spec: BaseModel, path: tuple[str, ...]) -> bool:
    """Whether the author wrote the field at a path, or the tier of the organization did."""
    for name in path[:-1]:
        if name not in spec.model_fields_set:
            return False
        spec = getattr(spec, name)
    return path[-1] in spec.model_fields_set


class Draft:
    """Resources, deletions and origins so far; `gone` are rows that are declared as deleted.

    `encrypts`: there is a key to store connection strings with. `pool`: size and overflow of pools that nobody declared.
    """

    def __init__(self, encrypts: bool = False, pool: tuple[int, int] = (10, 20)) -> None:
        self.encrypts = encrypts
        self.pool = pool
        self.state: State = {}
        self.deleted: set[str] = set()
        self.gone: State = {}
        self.origins: dict[str, str] = {}
        self.places: dict[str, tuple[Document, tuple[str | int, ...]]] = {}

    def row(
        self,
        address: str,
        rowtype: RowType,
        values: Mapping[str, Any],
        document: Document,
        *path: str | int,
        spec: BaseModel,
        fields: Fields = _NONE,
    ) -> None:
        """Want a row; columns that `values` leaves out are NULL, but encrypted ones and keys, which are not compared then.

        `spec` tells which of the columns that are declared when written the author wrote; `fields` are the paths of those in it
        that are called otherwise.
        """
        unknown = values.keys() - rowtype.columns.keys()
        if unknown:
            raise KeyError(f"{rowtype.table} has no declared columns {sorted(unknown)}")
        unsaid = {column for column in rowtype.written if not _declares(spec, fields.get(column, (column,)))}
        given = {*rowtype.once, *unsaid}
        compared = [
            name
            for name, kind in rowtype.columns.items()
            if name not in given and (kind not in ("encrypted", "key") or name in values)
        ]
        home = values.get(rowtype.home or rowtype.parent or "")
        self.state[address] = Row(
            rowtype.table,
            {column: values.get(column) for column in compared},
            initial={c: values[c] for c in rowtype.columns if c in given and values.get(c) is not None},
            home=home.address if isinstance(home, Ref) else None,
        )
        self.origin(address, document, *path)

    def resource(self, address: str, resource: Resource, document: Document, *path: str | int) -> None:
        """Want something that is not a row."""
        self.state[address] = resource
        self.origin(address, document, *path)

    def item(
        self,
        address: str,
        rowtype: RowType,
        item: BaseModel,
        values: Mapping[str, Any],
        document: Document,
        *path: str | int,
        fields: Fields = _NONE,
    ) -> None:
        """Want the row of an item that is nested in a document, or, when it says `state: deleted`, want it gone."""
        if getattr(item, "state", "active") == "deleted":
            self.delete(address, document, *path)
            self.gone[address] = Row(rowtype.table, dict(values))
        else:
            self.row(address, rowtype, values, document, *path, spec=item, fields=fields)

    def delete(self, address: str, document: Document, *path: str | int) -> None:
        """Want something gone."""
        self.deleted.add(address)
        self.origin(address, document, *path)

    def origin(self, address: str, document: Document, *path: str | int) -> None:
        """Remember where an address was declared."""
        source = document.at(*path) if path else document.source
        self.origins[address] = f"{source.path}:{source.line}"
        self.places[address] = document, path
