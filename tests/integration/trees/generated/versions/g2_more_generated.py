"""more generated

Revision ID: g2
Revises: g1
"""

import sqlalchemy as sa
from alembic import op

revision = "g2"
down_revision = "g1"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("lines", sa.Column("half", sa.Numeric(), sa.Computed("round(price / 2, 1)", persisted=True)))
    op.add_column(
        "lines", sa.Column("nr", sa.BigInteger(), sa.Identity(start=100, minvalue=100, cycle=True), nullable=False)
    )
    op.execute("INSERT INTO lines (price, count) VALUES (9, 9)")
    op.execute("INSERT INTO lines (id, price, count) OVERRIDING SYSTEM VALUE VALUES (5, 1, 1)")
    op.create_index("lines_total", "lines", ["total"])


def downgrade():
    op.drop_index("lines_total", "lines")
    op.execute("DELETE FROM lines WHERE id = 5 OR price = 9")
    op.drop_column("lines", "nr")
    op.drop_column("lines", "half")
