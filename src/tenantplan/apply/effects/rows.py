"""Rows of the main database: INSERT, UPDATE and DELETE that refuse to touch what is not as planned."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.apply.context import Run
from tenantplan.apply.effects import effect, stored_secrets
from tenantplan.errors import Stale
from tenantplan.journal.recover import Open
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Resource, Row, Secret, expect, one, sides
from tenantplan.model.rowtype import SECRET_TYPES, RowType
from tenantplan.postgres.columns import normal, selected
from tenantplan.postgres.connect import Connection

NAMESPACE = uuid.UUID("6f0d3c1e-6a52-5a0b-9d6e-3f2f4d1c7b90")


def write(run: Run, connection: Connection, operation: Operation) -> None:
    """Runs the operation's one statement in the current transaction; Stale when the row is not as planned."""
    before, after = sides(operation, Row)
    if after is None:
        _delete(run, connection, operation, expect(operation.before, Row))
    elif before is None:
        _insert(run, connection, operation, after)
    else:
        _update(run, connection, operation, before, after)


def happened(item: Open, have: Resource | None) -> bool:
    """Whether the row is as an interrupted run was to leave it. A deletion is journaled in its own transaction, so that one which
    is open has not happened."""
    row = one(have, Row)
    if row is not None and not (row.managed and row.retired_at is None):
        return False
    return not item.retire and effect.happened(item, have, converged)


def converged(want: Resource, have: Resource) -> bool:
    """Whether a row has the values it was to get; a secret that had no keyed hash yet counts as equal to any."""
    values, row = expect(want, Row).values, one(have, Row)
    unhashed = {name for name, value in values.items() if isinstance(value, Secret) and value.keyed is None}
    return row is not None and all(row.values.get(name) == v for name, v in values.items() if name not in unhashed)


def row_id(fleet: str, address: str, attempt: int = 0) -> str:
    """The id of a new row: uuid5 of the fleet and the address it was first made under.

    `attempt` counts up where a row was made under it before, or an id is taken, by a row that has been renamed since: what
    the application keeps elsewhere by the id of a customer is never found under the id of a later one.
    """
    return str(uuid.uuid5(NAMESPACE, f"{fleet}/{address}" + (f"#{attempt}" if attempt else "")))


def _insert(run: Run, connection: Connection, operation: Operation, after: Row) -> None:
    rowtype = run.tables[after.table]
    first = run.lives.get(operation.address, 0)
    for attempt in range(first, first + 100):
        identifier = None if rowtype.serial else row_id(run.author.fleet, operation.address, attempt)
        columns, values = _columns(run, rowtype, identifier, {**after.values, **after.initial}, after)
        given = [] if identifier is None else [rowtype.id]
        statement = sql.SQL("INSERT INTO {table} ({names}) VALUES ({values}) {unless} RETURNING {id}::text").format(
            table=sql.Identifier(*rowtype.relation),
            names=sql.SQL(", ").join(sql.Identifier(n) for n in (*given, rowtype.owner, *columns)),
            values=sql.SQL(", ").join([sql.SQL("%s")] * (len(given) + 1) + [placeholder(rowtype, n) for n in columns]),
            unless=sql.SQL("ON CONFLICT ({}) DO NOTHING").format(sql.Identifier(rowtype.id)),
            id=sql.Identifier(rowtype.id),
        )
        row = connection.execute(statement, [*([identifier] if given else []), run.author.fleet, *values]).fetchone()
        if row is not None:
            run.ids[operation.address] = row[0]
            stored_secrets.remember(
                run, connection, rowtype, row[0], {n: v for n, v in after.values.items() if v is not None}
            )
            return
    raise Stale("no free id for this row")


def _update(run: Run, connection: Connection, operation: Operation, before: Row, after: Row) -> None:
    if before.table != after.table:
        raise Stale(f"it is a row of {before.table}, not of {after.table}")
    rowtype = run.tables[after.table]
    identifier = _id(run, operation)
    changed = {name: value for name, value in after.values.items() if before.values.get(name) != value}
    _check(run, connection, operation, rowtype, {name: before.values.get(name) for name in changed})
    columns, values = _columns(run, rowtype, identifier, changed, after)
    sets = [sql.SQL("{} = {}").format(sql.Identifier(name), placeholder(rowtype, name)) for name in columns]
    sets += [
        sql.SQL("{} = now()").format(sql.Identifier(column))
        for column in (rowtype.touched, *(rowtype.stamps.get(name) for name in changed))
        if column
    ]
    sets += _brought_back(rowtype, after, adopt=operation.adopt) if operation.restore else []
    if operation.adopt:
        sets.append(sql.SQL("{} = {}").format(sql.Identifier(rowtype.owner), sql.Literal(run.author.fleet)))
    statement = _statement("UPDATE {table} SET {what} WHERE {which}", rowtype, run, operation, sets)
    _one(connection, statement, [*values, identifier])
    stored_secrets.remember(run, connection, rowtype, identifier, changed)


def _check(run: Run, connection: Connection, operation: Operation, rowtype: RowType, seen: Mapping[str, Any]) -> None:
    """Locks the row and compares it with what the plan saw, by the same reading; secrets were compared before the first write."""
    names = [name for name in seen if rowtype.columns[name] not in SECRET_TYPES]
    what = [selected(rowtype, name) for name in names]
    stays = rowtype.retired and not operation.restore
    what.append(sql.SQL("deleted_at IS NULL" if stays else "true"))
    statement = _statement("SELECT {what} FROM {table} WHERE {which} FOR NO KEY UPDATE", rowtype, run, operation, what)
    row = connection.execute(statement, [_id(run, operation)]).fetchone()
    if row is None:
        raise Stale("the row changed after the plan was made")
    if not row[-1]:
        raise Stale("it was deleted after the plan was made")
    for name, value in zip(names, row, strict=False):
        want = seen[name]
        if normal(rowtype, name, value) != (run.ids.get(want.address, want.address) if isinstance(want, Ref) else want):
            raise Stale(f"{name} changed after the plan was made")


def _brought_back(rowtype: RowType, after: Row, *, adopt: bool) -> list[sql.Composed]:
    """Undoes the first step of a deletion, in a row where that was taken. Of one that is adopted, nobody knows whether access was
    closed before: it stays closed."""
    if not rowtype.retired:
        return []
    back = {name: pair[1] for name, pair in rowtype.retired.items() if name not in after.values}
    back = {name: value for name, value in back.items() if not (adopt and name in rowtype.access)}
    restored = [
        sql.SQL("{name} = CASE WHEN deleted_at IS NULL THEN {name} ELSE {value} END").format(
            name=sql.Identifier(name), value=sql.Literal(value if (first := after.initial.get(name)) is None else first)
        )
        for name, value in back.items()
    ]
    return [*restored, sql.SQL("deleted_at = NULL").format()]


def _delete(run: Run, connection: Connection, operation: Operation, before: Row) -> None:
    rowtype = run.tables[before.table]
    identifier = _id(run, operation)
    sets: list[sql.Composed] = []
    if operation.retire:
        sets = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(pair[0]))
            for name, pair in rowtype.retired.items()
        ]
        sets += [sql.SQL("{} = now()").format(sql.Identifier(c)) for c in ("deleted_at", rowtype.touched) if c]
    text = "UPDATE {table} SET {what} WHERE {which}" if operation.retire else "DELETE FROM {table} WHERE {which}"
    _one(connection, _statement(text, rowtype, run, operation, sets), [identifier])
    if not operation.retire:
        stored_secrets.forget(connection, rowtype, identifier)


def _statement(
    text: str,
    rowtype: RowType,
    run: Run,
    operation: Operation,
    what: Sequence[sql.Composable],
) -> sql.Composed:
    """A statement about one row, by its id, that does nothing unless the row is the fleet's (or, to be adopted, nobody's)."""
    owner = sql.Identifier(rowtype.owner)
    mine = sql.SQL("{} = {}").format(owner, sql.Literal(run.author.fleet))
    whose = sql.SQL("{} IS NULL").format(owner) if operation.adopt else mine
    which = [sql.SQL("{}::text = %s").format(sql.Identifier(rowtype.id)), whose]
    if not rowtype.serial:
        which[0] = sql.SQL("{} = %s").format(sql.Identifier(rowtype.id))
    return sql.SQL(text).format(
        table=sql.Identifier(*rowtype.relation), what=sql.SQL(", ").join(what), which=sql.SQL(" AND ").join(which)
    )


def _one(connection: Connection, statement: sql.Composed, values: list[Any]) -> None:
    if connection.execute(statement, values).rowcount != 1:
        raise Stale("the row changed after the plan was made")


def _id(run: Run, operation: Operation) -> str:
    identifier = run.ids.get(operation.address)
    if identifier is None:
        raise Stale("the row is gone")
    return identifier


def _columns(
    run: Run, rowtype: RowType, identifier: str | None, values: Mapping[str, Any], after: Row
) -> tuple[list[str], list[Any]]:
    """Columns and the values to bind to them, of a row that is to be `after`; a secret may fill two."""
    called = str(after.values.get("name") or "")
    columns: list[str] = []
    listed: list[Any] = []
    for name, value in values.items():
        if rowtype.columns[name] in SECRET_TYPES:
            for column, stored in stored_secrets.stored(run, rowtype, identifier, name, value, called).items():
                columns.append(column)
                listed.append(stored)
            continue
        columns.append(name)
        listed.append(bound(run, rowtype, name, value))
    return columns, listed


_CASTS = {"timestamp": "%s::timestamptz", "json": "%s::jsonb", "encrypted": "%s::bytea", "list": "%s::text[]"}


def bound(run: Run, rowtype: RowType, name: str, value: Any) -> Any:
    """The value to bind for a column that holds no secret; Stale when it refers to a row that is not there."""
    if isinstance(value, Ref):
        if value.address not in run.ids:
            raise Stale(f"{value.address} is not in the main database")
        return run.ids[value.address]
    if rowtype.columns[name] == "json" and value is not None:
        return Jsonb(value)
    return value


def placeholder(rowtype: RowType, name: str) -> sql.Composable:
    """The placeholder of a column, cast to its type where PostgreSQL would not find that out."""
    kind = rowtype.columns.get(name, "")
    if name in rowtype.enums:
        suffix = sql.SQL("[]") if kind == "list" else sql.SQL("")
        schema, _, enum = rowtype.enums[name].rpartition(".")
        return sql.SQL("%s::{}{}").format(sql.Identifier(schema or "public", enum), suffix)
    return sql.SQL(_CASTS.get(kind, "%s"))
