"""a value of the revision before

Revision ID: e6
Revises: e5
"""

from collections.abc import Sequence

from alembic import op

revision: str = "e6"
down_revision: str | Sequence[str] | None = "e5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE tickets SET priority = 'urgent' WHERE state = 'waiting'")
    op.alter_column("tickets", "priority", server_default="urgent")


def downgrade() -> None:
    op.alter_column("tickets", "priority", server_default="normal")
    op.execute("UPDATE tickets SET priority = 'high' WHERE priority = 'urgent'")
