"""Rows of the main database into live State: those of the fleet, and those of the application with a declared row's key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from tenantplan.model.resource import CHANGED_OUTSIDE, Ref, Row, Secret, State, of_type
from tenantplan.model.rowtype import SECRET_TYPES, RowType, Tables
from tenantplan.postgres.columns import normal, selected, timestamp
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.box import key_of
from tenantplan.secrets.keyed import keyed_hash

_Key = tuple[str, str]  # table and row id
# (relation, row id, column) -> keyed hashes of the value and of what is stored
Credentials = Mapping[tuple[str, str, str], tuple[str, str]]


@dataclass(frozen=True)
class Wanted:
    """What to read: rows of `fleet`, and rows with the keys of those that are `declared`, whoever made them.

    `keys` are the ids of the encryption keys at hand: what is encrypted under another is as good as changed. None: not asked.
    """

    fleet: str
    tables: Tables
    declared: State
    keys: frozenset[str] | None = None


@dataclass(frozen=True)
class _Raw:
    rowtype: RowType
    id: str
    owner: str | None
    deleted_at: str | None
    values: dict[str, Any]

    @property
    def key(self) -> _Key:
        """Table and id: ids alone are unique in one table."""
        return self.rowtype.table, self.id

    @property
    def parent_key(self) -> _Key | None:
        """The same of the row that it is nested in."""
        parent = self.rowtype.parent
        return (self.rowtype.refs[parent], self.values[parent]) if parent else None


def read_rows(
    connection: Connection, wanted: Wanted, columns: Mapping[str, frozenset[str]], key: str | None
) -> tuple[State, dict[str, str]]:
    """Rows by address, and the ids of rows by address. A table that is not there yet, or lacks a column, is read as it is."""
    present = [t for t in wanted.tables.values() if ".".join(t.relation) in columns]
    raws = {raw.key: raw for t in present for raw in _managed(connection, t, columns, wanted.fleet)}
    names = _addresses(raws, {})
    ids = {address: row_id for (_, row_id), address in names.items()}
    ours = frozenset(raws)
    found: dict[_Key, str] = {}
    for rowtype, rows in _by_type(wanted, present):
        for raw, address in list(_same_keys(connection, rowtype, columns, rows, ids)):
            if raw.key not in ours or not (raw.parent_key is None or raw.parent_key in ours):
                raws[raw.key], found[raw.key], ids[address] = raw, address, raw.id
    if found:  # what is nested in them is named by them now
        names = _addresses(raws, found)
        ids = {address: row_id for (_, row_id), address in names.items()}
    credentials = _credentials(connection) if "tenantplan.credentials" in columns else {}
    return {names[at]: _row(raw, names, wanted, key, credentials) for at, raw in raws.items()}, ids


def _by_type(wanted: Wanted, present: Sequence[RowType]) -> Iterator[tuple[RowType, list[tuple[str, Row]]]]:
    """Declared rows by table, so that what rows refer to comes before them as far as keys need it."""
    declared: dict[str, list[tuple[str, Row]]] = {}
    for address, row in of_type(wanted.declared, Row).items():
        declared.setdefault(row.table, []).append((address, row))
    for rowtype in present:
        if rowtype.table in declared:
            yield rowtype, declared[rowtype.table]


def _managed(
    connection: Connection, rowtype: RowType, columns: Mapping[str, frozenset[str]], fleet: str
) -> Iterator[_Raw]:
    chosen, names = _select(rowtype, columns)
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
        chosen, sql.Identifier(*rowtype.relation), sql.Identifier(rowtype.owner)
    )
    for row in connection.execute(statement, [fleet]):
        yield _raw(rowtype, names, row)


def _same_keys(
    connection: Connection,
    rowtype: RowType,
    columns: Mapping[str, frozenset[str]],
    rows: Iterable[tuple[str, Row]],
    ids: Mapping[str, str],
) -> Iterator[tuple[_Raw, str]]:
    """Rows that tenantplan does not manage and that have the key of a declared one, with the address of that one."""
    keys: dict[tuple[str, ...], str] = {}
    for address, row in rows:
        key = tuple(_key(row.values.get(column), ids) for column in rowtype.identity)
        if address not in ids and None not in key:
            keys[tuple(map(str, key))] = address
    if not keys or not set(rowtype.identity) <= columns[".".join(rowtype.relation)]:
        return
    chosen, names = _select(rowtype, columns)
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in rowtype.identity)
    statement = sql.SQL("SELECT {}, ARRAY[{}] FROM {} WHERE ({}) IN (SELECT * FROM unnest({}))").format(
        chosen,
        texts,
        sql.Identifier(*rowtype.relation),
        texts,
        sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in rowtype.identity),
    )
    for *row, key in connection.execute(statement, [list(part) for part in zip(*keys, strict=True)]):
        yield _raw(rowtype, names, row), keys[tuple(key)]


def _key(value: Any, ids: Mapping[str, str]) -> str | None:
    return ids.get(value.address) if isinstance(value, Ref) else value


def _select(rowtype: RowType, columns: Mapping[str, frozenset[str]]) -> tuple[sql.Composed, list[str]]:
    """What to SELECT, and the columns that are among it: declared ones and those to be shown."""
    there = columns[".".join(rowtype.relation)]
    names = [name for name in dict.fromkeys((*rowtype.columns, *rowtype.observed)) if name in there]
    fixed = [
        sql.SQL("{}::text").format(sql.Identifier(rowtype.id)),
        sql.Identifier(rowtype.owner),
        timestamp("deleted_at") if rowtype.retired else sql.NULL,
    ]
    return sql.SQL(", ").join([*fixed, *(selected(rowtype, name) for name in names)]), names


def _raw(rowtype: RowType, names: Sequence[str], row: Sequence[Any]) -> _Raw:
    row_id, owner, deleted_at, *fields = row
    values = {name: normal(rowtype, name, value) for name, value in zip(names, fields, strict=True)}
    return _Raw(rowtype, row_id, owner, deleted_at, values)


def _addresses(raws: Mapping[_Key, _Raw], found: Mapping[_Key, str]) -> dict[_Key, str]:
    """Addresses of rows; one whose parent or name is not known is named by their ids. `found` are those told by keys."""
    names: dict[_Key, str] = dict(found)

    def address(key: _Key) -> str:
        if key not in raws:
            return key[1]
        if key not in names:
            raw = raws[key]
            rowtype, named = raw.rowtype, str(raw.values.get(raw.rowtype.name))
            if rowtype.name in rowtype.refs:
                named = address((rowtype.refs[rowtype.name], named))
            parent = address((rowtype.refs[rowtype.parent], raw.values[rowtype.parent])) if rowtype.parent else None
            names[key] = rowtype.address(named, parent)
        return names[key]

    for key in raws:
        address(key)
    return names


def _row(raw: _Raw, names: Mapping[_Key, str], wanted: Wanted, key: str | None, credentials: Credentials) -> Row:
    rowtype = raw.rowtype
    values: dict[str, Any] = {}
    for name, column_type in rowtype.columns.items():
        value = raw.values.get(name)
        if column_type == "ref" and value:
            value = Ref(names.get((rowtype.refs[name], value), value))
        elif column_type in SECRET_TYPES:
            value = _secret(raw, name, key, credentials, wanted.keys)
        if name in raw.values and name not in rowtype.once:
            values[name] = value
    home = values.get(rowtype.home or rowtype.parent or "")
    managed = raw.owner == wanted.fleet
    return Row(
        rowtype.table,
        values,
        observed={name: raw.values.get(name) for name in rowtype.observed} | _deleted(raw),
        home=home.address if isinstance(home, Ref) else None,
        id=raw.id,
        managed=managed,
        manager=raw.owner,
        retired_at=raw.deleted_at if managed else None,
    )


def _deleted(raw: _Raw) -> dict[str, str]:
    """When the application deleted a row of its own."""
    return {} if raw.owner is not None or raw.deleted_at is None else {"deleted_at": raw.deleted_at}


def _secret(
    raw: _Raw, name: str, key: str | None, credentials: Credentials, keys: frozenset[str] | None
) -> Secret | None:
    """A stored secret: known by its keyed hash, unless somebody else wrote what is stored, or nobody can open it."""
    stored, kind = raw.values.get(name), raw.rowtype.columns[name]
    if kind == "bcrypt":
        return _bcrypt(key, stored)
    if stored is None:
        return None
    if kind in ("sha256", "key"):
        return Secret(None, keyed_hash(key, stored) if key else CHANGED_OUTSIDE)
    value_hash, stored_hash = credentials.get((raw.rowtype.table, raw.id, name), ("", ""))
    unchanged = key is not None and keyed_hash(key, bytes(stored).hex()) == stored_hash
    opens = keys is None or key_of(bytes(stored)) in keys
    return Secret(None, value_hash if unchanged and opens else CHANGED_OUTSIDE)


def _credentials(connection: Connection) -> Credentials:
    rows = connection.execute(
        "SELECT relation, row_id::text, column_name, value_hash, stored_hash FROM tenantplan.credentials"
    ).fetchall()
    return {(relation, row_id, column): (value, stored) for relation, row_id, column, value, stored in rows}


def _bcrypt(key: str | None, stored: list[str | None] | None) -> Secret | None:
    hashed, marks = stored or (None, None)
    if hashed is None:
        return None
    password, _, check = (marks or "").partition(":")
    if key is None or not check or keyed_hash(key, hashed) != check:
        return Secret(None, CHANGED_OUTSIDE)
    return Secret(None, password)
