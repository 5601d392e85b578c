"""rooms

Revision ID: q1
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "q1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table("rooms", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text(), unique=True))
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.Column("during", postgresql.TSRANGE(), nullable=False),
        sa.Column("price", sa.Numeric()),
        postgresql.ExcludeConstraint(
            ("during", "&&"), using="gist", name="one_at_a_time", where=sa.text("price IS NULL")
        ),
    )
    op.execute("INSERT INTO rooms (name) VALUES ('a'), ('b')")
    op.execute("INSERT INTO bookings (room, during) VALUES (1, '[2024-01-01 10:00, 2024-01-01 11:00)')")


def downgrade() -> None:
    op.drop_table("bookings")
    op.drop_table("rooms")
