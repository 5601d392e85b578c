"""measures

Revision ID: b1
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "measures",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("day", sa.Date()),
        sa.Column("moment", sa.DateTime(timezone=True)),
        sa.Column("local", sa.DateTime()),
        sa.Column("clock", sa.Time()),
        sa.Column("span", sa.Interval()),
        sa.Column("amount", sa.Numeric(14, 4)),
        sa.Column("exact", sa.Numeric()),
        sa.Column("ratio", sa.Float()),
        sa.Column("huge", sa.BigInteger()),
        sa.Column("flag", sa.Boolean()),
        sa.Column("code", sa.CHAR(4)),
        sa.Column("said", sa.Text()),
        sa.Column("raw", sa.LargeBinary()),
        sa.Column("doc", sa.JSON()),
        sa.Column("docb", postgresql.JSONB()),
        sa.Column("tags", postgresql.ARRAY(sa.Text())),
        sa.Column("grid", postgresql.ARRAY(sa.Integer(), dimensions=2)),
        sa.Column("key", sa.Uuid()),
        sa.Column("mood", sa.Enum("calm", "it's", "50%", name="measure_mood")),
    )


def downgrade():
    op.drop_table("measures")
    sa.Enum(name="measure_mood").drop(op.get_bind())
