"""Values of a row as psycopg sends them."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from tenantplan.apply.context import Run
from tenantplan.model.resource import Ref
from tenantplan.model.rowtype import RowType

_CASTS = {"timestamp": "%s::timestamptz", "json": "%s::jsonb", "encrypted": "%s::bytea", "list": "%s::text[]"}


class Stale(Exception):
    """The row is not what the plan saw: somebody changed it in between."""


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
