"""sequences

Revision ID: d3
Revises: d2
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "d3"
down_revision: str | Sequence[str] | None = "d2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


step = sa.Sequence("steps", start=7, minvalue=1, maxvalue=99, cycle=True, data_type=sa.SmallInteger())


def upgrade() -> None:
    op.create_table("pages", sa.Column("id", sa.SmallInteger(), primary_key=True), sa.Column("text", sa.Text()))
    op.create_table("big", sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=True))
    step.create(op.get_bind())
    op.add_column("pages", sa.Column("step", sa.Integer(), step, server_default=step.next_value(), nullable=False))
    op.execute("ALTER SEQUENCE steps OWNED BY pages.step")
    op.execute("INSERT INTO pages (text) SELECT 'page ' || n FROM generate_series(1, 3) n")
    op.execute("SELECT setval('paper_numbers', 5000, false)")
    op.execute("SELECT nextval('paper_numbers')")


def downgrade() -> None:
    op.drop_table("big")
    op.drop_table("pages")
