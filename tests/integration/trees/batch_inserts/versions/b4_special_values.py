"""special values

Revision ID: b4
Revises: b3
"""

import datetime as dt
import decimal

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b4"
down_revision = "b3"
branch_labels = None
depends_on = None


def upgrade():
    special = op.create_table(
        "special",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("doc", sa.JSON(), nullable=False),
        sa.Column("docb", postgresql.JSONB(none_as_null=True)),
        sa.Column("number", sa.Numeric()),
        sa.Column("real", postgresql.REAL()),
        sa.Column("double", sa.Double()),
        sa.Column("address", postgresql.INET()),
        sa.Column("days", postgresql.DATERANGE()),
        sa.Column("ints", postgresql.INT4RANGE()),
        sa.Column("bits", postgresql.BIT(3)),
        sa.Column("words", postgresql.TSVECTOR()),
        sa.Column("prices", postgresql.ARRAY(sa.Numeric(6, 2))),
        sa.Column("dates", postgresql.ARRAY(sa.Date())),
        sa.Column("kind", sa.Enum("x", "y", name="kind", native_enum=False, create_constraint=True)),
    )
    none = dict.fromkeys(column.name for column in special.columns)
    rows = [
        {
            "id": 1,
            "doc": None,
            "docb": None,
            "number": decimal.Decimal("NaN"),
            "real": float("inf"),
            "double": float("nan"),
        },
        {"id": 2, "doc": {}, "docb": {"n": 2**60}, "number": decimal.Decimal("-1E+3"), "real": 1.5, "double": 1e300},
        {
            "id": 3,
            "doc": "text",
            "address": "2001:db8::1/64",
            "days": postgresql.Range(dt.date(2024, 1, 1), None),
            "ints": postgresql.Range(1, 5, bounds="(]"),
            "words": "'it''s':1 'b'",
            "prices": [decimal.Decimal("1.10"), None],
            "dates": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
            "kind": "y",
        },
    ]
    op.bulk_insert(special, [none | row for row in rows])


def downgrade():
    op.drop_table("special")
