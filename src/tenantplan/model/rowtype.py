"""A RowType describes one reconciled table of the main database: its declared columns and how a row is addressed.

Declared columns are the ones tenantplan compares and writes. Everything else in the table (ids, timestamps, counters)
belongs to the database or the application and is never read as desired state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tenantplan.model import address as addresses

SECRET_TYPES = ("bcrypt", "sha256", "encrypted", "key")
DELIVERED = (
    "_delivered_to"  # after the name of a secret column: the target that a generated one went to; NULL: by reference
)
ON_ITS_WAY = "on its way to "  # before that target, while it may have another value, or have it under another name
# text, bool, int, json (jsonb), timestamp (timestamptz, ISO 8601 in UTC), ref (another row's id), list (array of text
# or of an enum, sorted), and secrets by reference: bcrypt (text hash, with a column `password_fingerprint`), sha256
# (hex digest, for keys that are random themselves), encrypted (bytea, see secrets/box.py), key (text as it stands)
ALWAYS, WRITTEN, ONCE = "always", "when written", "the application's"
COLUMN_TYPES = ("text", "bool", "int", "json", "timestamp", "ref", "list", *SECRET_TYPES)


@dataclass(frozen=True)
class RowType:
    """One table.

    `kind` is the address segment, `name` the column that names the row (a text column, or a ref whose own name is
    taken), `parent` the ref column whose address comes before (None: a top-level row). `columns` maps declared
    columns to COLUMN_TYPES, `refs` maps ref columns to tables, `enums` maps columns to their PostgreSQL enum type.

    `key`: the columns by which a row of the application is the declared one; without, parent and name. `home`: the ref
    column that leads to whose the row is. `uses`: ref columns to what a row only uses; along the others it is
    deleted together with what it refers to. `late`: ref columns that may be filled in after the row was made, since
    what they name may need the row first. `once`: columns that are written when the row is made, and the
    application's from then on. `written`: columns that are compared only where the document says them; the row is made with
    their defaults. All others are declared always: what a document leaves out is asked for as its default. `access`: columns
    of `written` that access hangs on, which no default ever gives back (planning/access.py). `observed`: columns that are
    read to be shown, never compared or written. `fixed`: columns that never change once they were written. `stamps`: column ->
    timestamp column that is set when it changes.
    `retired`: column -> its value in a row that was deleted, and, unless it is declared, in one that is brought back; such
    a row has `deleted_at` and is purged later. Empty: a deletion removes the row at once.

    `id` is the primary key, a uuid that tenantplan gives or (`serial`) a value that the database gives; `owner` the
    text column with the name of the fleet that manages the row; `touched` a timestamp of its last change.
    """

    kind: str
    table: str
    name: str
    columns: Mapping[str, str]
    parent: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    enums: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    home: str | None = None
    uses: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    stamps: Mapping[str, str] = field(default_factory=dict)
    retired: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    id: str = "id"
    serial: bool = False
    owner: str = "managed_by"
    touched: str | None = "updated_at"

    @property
    def relation(self) -> tuple[str, str]:
        """Schema and name of the table; `table` names another schema than public as "schema.table"."""
        schema, _, name = self.table.rpartition(".")
        return schema or "public", name

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which a row of the application is the declared one."""
        return self.key or ((self.parent, self.name) if self.parent else (self.name,))

    def declared(self, column: str) -> str:
        """When a document asks for a value of the column: ALWAYS, WRITTEN, or ONCE, when the row is made."""
        if column in self.written or self.columns[column] == "key":  # without a line, a key is the database's
            return WRITTEN
        return ONCE if column in self.once else ALWAYS

    def address(self, name: str, parent: str | None = None) -> str:
        """The address of the row called `name` (a ref's address may be given) under `parent`."""
        last = addresses.name(name) or name if self.columns[self.name] == "ref" else name
        return f"{parent}/{self.kind}/{last}" if parent else f"{self.kind}/{last}"

    def document(self) -> dict[str, Any]:
        """The type as JSON, for a plan file."""
        return asdict(self)

    @staticmethod
    def parse(document: Mapping[str, Any]) -> RowType:
        """The type that `document` wrote."""
        values = dict(document)
        for name in ("key", "uses", "late", "once", "observed", "fixed"):
            values[name] = tuple(values[name])
        for name in ("written", "access"):  # a description that an earlier version recorded has neither
            values[name] = tuple(values.get(name, ()))
        values["retired"] = {column: tuple(pair) for column, pair in values["retired"].items()}
        return RowType(**values)


Tables = Mapping[str, RowType]  # by `table`


@dataclass(frozen=True)
class Attribute:
    """A column: its type as PostgreSQL writes it, whether every row has to be given a value, whether none can be; whether
    it can be the primary key, is unique alone, and is never NULL."""

    type: str
    needed: bool = False
    generated: bool = False
    primary: bool = False
    unique: bool = False
    mandatory: bool = False


@dataclass(frozen=True)
class Relation:
    """A table: its columns, whether this role may read and write its rows, and whether rules or row security get between."""

    attributes: Mapping[str, Attribute]
    writable: bool = True
    rules: bool = False
    filtered: bool = False
