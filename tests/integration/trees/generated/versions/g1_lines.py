"""lines

Revision ID: g1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "g1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "lines",
        sa.Column("id", sa.Integer(), sa.Identity(always=True, start=10, increment=10), primary_key=True),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Numeric(12, 2), sa.Computed("price * count", persisted=True)),
        sa.Column("label", sa.Text(), sa.Computed("'50% :: ' || count::text", persisted=True)),
    )
    op.execute("INSERT INTO lines (price, count) VALUES (1.5, 2), (2, 3)")


def downgrade():
    op.drop_table("lines")
