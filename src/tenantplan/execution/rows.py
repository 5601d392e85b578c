"""Rows of the main database: INSERT, UPDATE and DELETE that refuse to touch what is not as planned."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import bcrypt
from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.errors import SettingsError
from tenantplan.execution.context import Run
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Row, Secret
from tenantplan.postgres.connect import Connection
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.references import resolve
from tenantplan.secrets.strength import bcrypt_weakness
from tenantplan.tables.control import BY_TABLE
from tenantplan.tables.rowtype import RowType

NAMESPACE = uuid.UUID("6f0d3c1e-6a52-5a0b-9d6e-3f2f4d1c7b90")


class Stale(Exception):
    """The row is not what the plan saw: somebody changed it in between."""


def write(run: Run, connection: Connection, operation: Operation) -> None:
    """Runs the operation's one statement in the current transaction; Stale when the row is not as planned."""
    if isinstance(operation.after, Row):
        if operation.before is None:
            _insert(run, connection, operation, operation.after)
        else:
            assert isinstance(operation.before, Row)
            _update(run, connection, operation, operation.before, operation.after)
    else:
        assert isinstance(operation.before, Row)
        _delete(run, connection, operation, operation.before)


def row_id(fleet: str, address: str, attempt: int = 0) -> str:
    """The id of a new row: uuid5 of the fleet and the address it was first made under.

    `attempt` counts up where an id is taken, by a row that has been renamed since.
    """
    return str(uuid.uuid5(NAMESPACE, f"{fleet}/{address}" + (f"#{attempt}" if attempt else "")))


def _insert(run: Run, connection: Connection, operation: Operation, after: Row) -> None:
    rowtype = BY_TABLE[after.table]
    columns, values = _columns(run, rowtype, after.values)
    statement = sql.SQL(
        "INSERT INTO public.{table} (id, managed_by, {columns}) VALUES (%s, %s, {values}) ON CONFLICT (id) DO NOTHING"
    )
    composed = statement.format(
        table=sql.Identifier(after.table),
        columns=sql.SQL(", ").join(sql.Identifier(name) for name in columns),
        values=sql.SQL(", ").join(_placeholder(rowtype, name) for name in columns),
    )
    for attempt in range(100):
        identifier = row_id(run.fleet, operation.address, attempt)
        if connection.execute(composed, [identifier, run.fleet, *values]).rowcount == 1:
            run.ids[operation.address] = identifier
            return
    raise Stale("no free id for this row")


def _update(run: Run, connection: Connection, operation: Operation, before: Row, after: Row) -> None:
    rowtype = BY_TABLE[after.table]
    changed = {name: value for name, value in after.values.items() if before.values.get(name) != value}
    columns, values = _columns(run, rowtype, changed)
    expected = {name: before.values.get(name) for name in changed if rowtype.columns[name] != "bcrypt"}
    names, olds = _columns(run, rowtype, expected)
    sets: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), _placeholder(rowtype, name)) for name in columns
    ]
    sets.append(sql.SQL("updated_at = now()"))
    if rowtype.soft_delete:
        sets.append(sql.SQL("deleted_at = NULL"))
    checks = [
        sql.SQL("{} IS NOT DISTINCT FROM {}").format(sql.Identifier(name), _placeholder(rowtype, name))
        for name in names
    ]
    statement = sql.SQL("UPDATE public.{table} SET {sets} WHERE id = %s AND managed_by = %s{checks}").format(
        table=sql.Identifier(after.table),
        sets=sql.SQL(", ").join(sets),
        checks=sql.SQL("").join(sql.SQL(" AND ") + check for check in checks),
    )
    _one(connection, statement, [*values, _id(run, operation), run.fleet, *olds])


def _delete(run: Run, connection: Connection, operation: Operation, before: Row) -> None:
    rowtype = BY_TABLE[before.table]
    table = sql.Identifier(before.table)
    if operation.retire:
        aside = sql.SQL("state = 'deleted'" if "state" in rowtype.columns else "active = false")
        statement = sql.SQL(
            "UPDATE public.{} SET {}, deleted_at = now(), updated_at = now() WHERE id = %s AND managed_by = %s"
        ).format(table, aside)
    else:
        statement = sql.SQL("DELETE FROM public.{} WHERE id = %s AND managed_by = %s").format(table)
    _one(connection, statement, [_id(run, operation), run.fleet])


def _one(connection: Connection, statement: sql.Composed, values: list[Any]) -> None:
    if connection.execute(statement, values).rowcount != 1:
        raise Stale("the row changed after the plan was made")


def _id(run: Run, operation: Operation) -> str:
    identifier = run.ids.get(operation.address)
    if identifier is None:
        raise Stale("the row is not there any more")
    return identifier


def _columns(run: Run, rowtype: RowType, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    columns: list[str] = []
    bound: list[Any] = []
    for name, value in values.items():
        if rowtype.columns[name] == "bcrypt":
            hashed, mark = _bcrypt(run, value)
            columns += [name, "password_fingerprint"]
            bound += [hashed, mark]
            continue
        columns.append(name)
        bound.append(_bound(run, rowtype, name, value))
    return columns, bound


def _bound(run: Run, rowtype: RowType, name: str, value: Any) -> Any:
    if isinstance(value, Ref):
        if value.address not in run.ids:
            raise Stale(f"{value.address} is not in the main database")
        return run.ids[value.address]
    if rowtype.columns[name] == "json" and value is not None:
        return Jsonb(value)
    return value


def _placeholder(rowtype: RowType, name: str) -> sql.Composable:
    if name in rowtype.enums:
        return sql.SQL("%s::public.{}").format(sql.Identifier(rowtype.enums[name]))
    return sql.SQL(
        {"ref": "%s::uuid", "timestamp": "%s::timestamptz", "json": "%s::jsonb"}.get(
            rowtype.columns.get(name, ""), "%s"
        )
    )


def _bcrypt(run: Run, secret: Secret | None) -> tuple[str | None, str | None]:
    """The bcrypt hash of a secret's value, and the keyed hashes by which a later plan knows both."""
    if secret is None or secret.reference is None:
        return None, None
    password = resolve(secret.reference, run.root)
    reason = bcrypt_weakness(password)
    if reason:
        raise SettingsError(f"the password in {secret.reference} {reason}", hint="choose a longer, random one")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    return hashed, f"{keyed_hash(run.hash_key, password)}:{keyed_hash(run.hash_key, hashed)}"
