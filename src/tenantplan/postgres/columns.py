"""Columns of a RowType as they are read: one form of each value, whatever the row has, so that equal means equal."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from tenantplan.model.rowtype import RowType


def selected(rowtype: RowType, name: str) -> sql.Composable:
    """What to SELECT for a column; an observed column that is not declared is a timestamp."""
    kind = rowtype.columns.get(name, "timestamp")
    column = sql.Identifier(name)
    if kind == "timestamp":
        return timestamp(name)
    if kind == "bcrypt":
        return sql.SQL("ARRAY[{}, password_fingerprint]").format(column)
    if kind == "list":
        return sql.SQL("{}::text[]").format(column)
    if kind == "ref" or name in rowtype.enums:
        return sql.SQL("{}::text").format(column)
    return column


def normal(rowtype: RowType, name: str, value: Any) -> Any:
    """A selected value in the form that states hold: lists are sorted and hold each item once."""
    if rowtype.columns.get(name) == "list" and value is not None:
        return sorted({str(item) for item in value if item is not None})
    return value


def timestamp(name: str) -> sql.Composable:
    """A timestamp as ISO 8601 in UTC, to the second; where that cannot say it (model/moment.py), as PostgreSQL's own text."""
    pattern = sql.Literal('YYYY-MM-DD"T"HH24:MI:SS"Z"')
    return sql.SQL(
        "CASE WHEN {name} >= '0001-01-01 00:00:00Z' AND {name} < '10000-01-01 00:00:00Z'"
        " THEN to_char({name} AT TIME ZONE 'UTC', {pattern}) ELSE ({name} AT TIME ZONE 'UTC')::text END"
    ).format(name=sql.Identifier(name), pattern=pattern)
