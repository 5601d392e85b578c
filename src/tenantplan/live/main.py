"""The main database: its reconciled rows, its revisions and what interrupted runs left open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from tenantplan.model.resource import Ref, Row, Secret, State
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.tables.control import ROW_TYPES
from tenantplan.tables.rowtype import RowType

CHANGED_OUTSIDE = "changed outside tenantplan"


@dataclass(frozen=True)
class MainFacts:
    """What the main database holds.

    `state`: rows by address; `ids`: row id -> address. `revisions` maps the trees "main" and "shared" to the applied revision.
    `recorded` maps (tree, revision) to the digest of the file it was applied from. `hash_key` is the key of keyed hashes.
    `unfinished`: the newest run that neither finished nor was cleaned up.
    """

    state: State = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, str | None] = field(default_factory=dict)
    recorded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    hash_key: str | None = None
    unfinished: str | None = None
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_main(connection: Connection, fleet: str, declared: Collection[str]) -> MainFacts:
    """One consistent snapshot of the main database.

    `declared` are addresses: rows of theirs that tenantplan does not manage are read too.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        columns = {table: frozenset(names) for table, names in connection.execute(query("columns")).fetchall()}
        key = _scalar(connection, columns, "tenantplan.keys", "SELECT value FROM tenantplan.keys WHERE name = 'hash'")
        state: State = {}
        ids: dict[str, str] = {}
        for rowtype in ROW_TYPES:
            if f"public.{rowtype.table}" in columns:
                _read_rows(connection, rowtype, columns, fleet, declared, key, state, ids)
        return MainFacts(
            state=state,
            ids=ids,
            revisions={
                "main": _revision(connection, columns, "alembic_version"),
                "shared": _revision(connection, columns, "alembic_version_tenant"),
            },
            recorded=_recorded(connection, columns),
            hash_key=key,
            unfinished=_scalar(connection, columns, "tenantplan.runs", _UNFINISHED),
            columns=columns,
        )


_UNFINISHED = "SELECT id::text FROM tenantplan.runs WHERE status = 'running' ORDER BY started_at DESC LIMIT 1"


def _scalar(connection: Connection, columns: Mapping[str, Any], table: str, statement: str) -> str | None:
    row = connection.execute(statement.encode()).fetchone() if table in columns else None
    return None if row is None else row[0]


def _revision(connection: Connection, columns: Mapping[str, Any], table: str) -> str | None:
    if f"public.{table}" not in columns:
        return None
    row = connection.execute(sql.SQL("SELECT version_num FROM public.{}").format(sql.Identifier(table))).fetchone()
    return None if row is None else row[0]


def _recorded(connection: Connection, columns: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    if "tenantplan.revisions" not in columns:
        return {}
    rows = connection.execute("SELECT tree, revision, digest FROM tenantplan.revisions").fetchall()
    return {(tree, revision): digest for tree, revision, digest in rows}


def _read_rows(
    connection: Connection,
    rowtype: RowType,
    columns: Mapping[str, frozenset[str]],
    fleet: str,
    declared: Collection[str],
    key: str | None,
    state: State,
    ids: dict[str, str],
) -> None:
    present = [name for name in rowtype.columns if name in columns[f"public.{rowtype.table}"]]
    names = [a.split("/", 1)[1] for a in declared if a.startswith(rowtype.kind + "/")] if not rowtype.parent else []
    statement = sql.SQL("SELECT id::text, managed_by, {deleted}, {columns} FROM public.{table} WHERE {which}").format(
        deleted=_timestamp("deleted_at") if rowtype.soft_delete else sql.NULL,
        columns=sql.SQL(", ").join(_expression(rowtype, name) for name in present),
        table=sql.Identifier(rowtype.table),
        which=sql.SQL("managed_by = %(fleet)s")
        + (sql.SQL(" OR {} = ANY(%(names)s)").format(sql.Identifier(rowtype.name)) if names else sql.SQL("")),
    )
    for row_id, managed_by, deleted_at, *fields in connection.execute(statement, {"fleet": fleet, "names": names}):
        values = dict(zip(present, fields, strict=True))
        for name, column_type in rowtype.columns.items():
            if column_type == "ref" and values.get(name):
                values[name] = Ref(ids.get(values[name], values[name]))
            elif column_type == "bcrypt":
                values[name] = _bcrypt(key, values.get(name))
        parent = values[rowtype.parent].address if rowtype.parent else None
        named = values[rowtype.name]
        address = rowtype.address(named.address if isinstance(named, Ref) else named, parent)
        managed = managed_by == fleet
        ids[row_id] = address
        state[address] = Row(
            rowtype.table, values, id=row_id, managed=managed, retired_at=deleted_at if managed else None
        )


def _expression(rowtype: RowType, name: str) -> sql.Composable:
    kind = rowtype.columns[name]
    column = sql.Identifier(name)
    if kind == "timestamp":
        return _timestamp(name)
    if kind == "bcrypt":
        return sql.SQL("ARRAY[{}, password_fingerprint]").format(column)
    if kind == "ref" or name in rowtype.enums:
        return sql.SQL("{}::text").format(column)
    return column


def _timestamp(name: str) -> sql.Composable:
    pattern = sql.Literal('YYYY-MM-DD"T"HH24:MI:SS"Z"')
    return sql.SQL("to_char({} AT TIME ZONE 'UTC', {})").format(sql.Identifier(name), pattern)


def _bcrypt(key: str | None, stored: list[str | None] | None) -> Secret | None:
    """The secret behind a stored bcrypt hash: known by keyed hash, unless somebody else wrote the hash."""
    hashed, marks = stored or (None, None)
    if hashed is None:
        return None
    password, _, check = (marks or "").partition(":")
    if key is None or not check or keyed_hash(key, hashed) != check:
        return Secret(None, CHANGED_OUTSIDE)
    return Secret(None, password)
