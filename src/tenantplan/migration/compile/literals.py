"""Which values SQL's literals say as a driver would send them. Importing this module imports Alembic."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import sqlalchemy as sa
from alembic.util import sqla_compat

# What a value of a type may be, so that SQL's literal of it is what a driver would send.
_LITERALS: tuple[tuple[type[sa.types.TypeEngine[Any]], tuple[type, ...]], ...] = (
    (sa.Enum, (str, enum.Enum)),
    (sa.String, (str,)),
    (sa.Boolean, (bool,)),
    (sa.Integer, (int,)),
    (sa.Numeric, (int, float, decimal.Decimal)),
    (sa.DateTime, (datetime.datetime,)),
    (sa.Date, (datetime.date,)),
    (sa.Time, (datetime.time,)),
    (sa.Uuid, (uuid.UUID, str)),
    (sa.JSON, (dict, list, str, int, float, bool)),
    (sa.ARRAY, (list, tuple)),
    (sa.types.NullType, (str, int, bool)),
)


def can_be_written(kind: Any, value: Any) -> bool:
    """Whether a value of a type can be written down; what says so by itself (a function, a literal) can."""
    if isinstance(value, (sa.sql.ClauseElement, sqla_compat._literal_bindparam)):
        return True
    if isinstance(kind, (sa.JSON, sa.LargeBinary, sa.Interval)) and value is None:
        return not isinstance(kind, sa.JSON)
    if value is None:
        return True
    if isinstance(kind, sa.types.TypeDecorator):
        return False  # its Python decides
    return any(isinstance(kind, known) and isinstance(value, allowed) for known, allowed in _LITERALS)


def is_computed_by_default(construct: Any) -> bool:
    """Whether a new column says neither STORED nor VIRTUAL: before 18 PostgreSQL knows one of the two."""
    table, column = getattr(construct, "element", None), getattr(construct, "column", None)
    columns = list(table.columns) if isinstance(table, sa.Table) else [column] if isinstance(column, sa.Column) else []
    return any(c.computed is not None and c.computed.persisted is None for c in columns)
