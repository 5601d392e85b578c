"""priorities

Revision ID: e4
Revises: e3
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "e4"
down_revision: str | Sequence[str] | None = "e3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


priority = postgresql.ENUM("low", "high", name="priority", create_type=False)


def upgrade() -> None:
    priority.create(op.get_bind(), checkfirst=True)
    priority.create(op.get_bind(), checkfirst=True)
    op.add_column("tickets", sa.Column("priority", priority, nullable=False, server_default="low"))
    op.add_column("tickets", sa.Column("size", sa.Text(), server_default="s"))
    sa.Enum("s", "m", "l", name="size").create(op.get_bind(), checkfirst=True)
    op.alter_column("tickets", "size", server_default=None)
    op.alter_column(
        "tickets",
        "size",
        type_=sa.Enum("s", "m", "l", name="size"),
        existing_type=sa.Text(),
        postgresql_using="size::size",
    )


def downgrade() -> None:
    op.alter_column("tickets", "size", type_=sa.Text(), existing_type=sa.Enum("s", "m", "l", name="size"))
    sa.Enum(name="size").drop(op.get_bind(), checkfirst=True)
    op.drop_column("tickets", "size")
    op.drop_column("tickets", "priority")
    priority.drop(op.get_bind(), checkfirst=True)
