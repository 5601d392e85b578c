"""A RowType describes one reconciled table of the main database: its declared columns and how a row is addressed.

Declared columns are the ones tenantplan compares and writes. Everything else in the table (ids, timestamps, counters)
belongs to the database or the application and is never read as desired state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# text, bool, int, json (jsonb), timestamp (timestamptz, ISO 8601 in UTC), ref (uuid of another row),
# bcrypt (text hash, with a companion column `password_fingerprint`)
COLUMN_TYPES = ("text", "bool", "int", "json", "timestamp", "ref", "bcrypt")


@dataclass(frozen=True)
class RowType:
    """One table.

    `kind` is the address segment, `name` the column that names the row (a text column, or a ref whose own name is
    taken), `parent` the ref column whose address comes before (None: a top-level row). `columns` maps declared
    columns to COLUMN_TYPES, `refs` maps ref columns to tables, `enums` maps columns to their PostgreSQL enum type.
    `soft_delete`: deletion first sets `state` or `active` aside and `deleted_at`, and a purge removes the row later.
    """

    kind: str
    table: str
    name: str
    columns: Mapping[str, str]
    parent: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    enums: Mapping[str, str] = field(default_factory=dict)
    soft_delete: bool = False

    def address(self, name: str, parent: str | None = None) -> str:
        """The address of the row called `name` (a ref's address may be given) under `parent`."""
        last = name.split("/", 1)[1] if self.columns[self.name] == "ref" and "/" in name else name
        return f"{parent}/{self.kind}/{last}" if parent else f"{self.kind}/{last}"
