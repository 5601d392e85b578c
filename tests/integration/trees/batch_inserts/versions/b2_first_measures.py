"""first measures

Revision ID: b2
Revises: b1
"""

import datetime as dt
import decimal
import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b2"
down_revision = "b1"
branch_labels = None
depends_on = None


measures = sa.table(
    "measures",
    sa.column("day", sa.Date()),
    sa.column("moment", sa.DateTime(timezone=True)),
    sa.column("local", sa.DateTime()),
    sa.column("clock", sa.Time()),
    sa.column("span", sa.Interval()),
    sa.column("amount", sa.Numeric(14, 4)),
    sa.column("exact", sa.Numeric()),
    sa.column("ratio", sa.Float()),
    sa.column("huge", sa.BigInteger()),
    sa.column("flag", sa.Boolean()),
    sa.column("code", sa.CHAR(4)),
    sa.column("said", sa.Text()),
    sa.column("raw", sa.LargeBinary()),
    sa.column("doc", sa.JSON()),
    sa.column("docb", postgresql.JSONB()),
    sa.column("tags", postgresql.ARRAY(sa.Text())),
    sa.column("grid", postgresql.ARRAY(sa.Integer(), dimensions=2)),
    sa.column("key", sa.Uuid()),
    sa.column("mood", postgresql.ENUM("calm", "it's", "50%", name="measure_mood", create_type=False)),
)
PARIS = dt.timezone(dt.timedelta(hours=2))
FULL = {
    "day": dt.date(2024, 2, 29),
    "moment": dt.datetime(2024, 7, 1, 12, 30, 15, 123456, PARIS),
    "local": dt.datetime(1999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - a timestamp without time zone
    "clock": dt.time(6, 5, 4, 3),
    "span": dt.timedelta(days=-3, hours=5, microseconds=7),
    "amount": decimal.Decimal("1234567890.1200"),
    "exact": decimal.Decimal("0.10000000000000000000000000000001"),
    "ratio": 0.1,
    "huge": -(2**62),
    "flag": True,
    "code": "ab",
    "said": 'it\'s 100% of %s %(x)s %% :name \\ back\\slash\tтаб\r\nline \u2603 \U0001f600 "q" $$ -- no comment /* */ ;',
    "raw": bytes(range(256)),
    "doc": {"a": [1, 2.5, None, True], "text": "it's :b \\ 5% \u00e9\n", "empty": {}},
    "docb": [{"deep": {"er": "\t"}}, "x"],
    "tags": ["a", "b,c", 'd"e', "f\\g", "{h}", "", "NULL", "it's", "%", None],
    "grid": [[1, 2], [3, 4]],
    "key": uuid.UUID("6e1c7f0a-5a0b-4d7e-9b1c-0123456789ab"),
    "mood": "it's",
}


def upgrade():
    empty = dict.fromkeys(FULL)
    op.bulk_insert(
        measures, [FULL, empty, FULL | {"flag": False, "tags": [], "raw": b"", "doc": [], "said": "", "mood": "50%"}]
    )
    op.bulk_insert(measures, [])


def downgrade():
    op.execute(measures.delete())
    op.execute("ALTER SEQUENCE measures_id_seq RESTART")
