"""tickets

Revision ID: e1
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "e1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("state", sa.Enum("open", "closed", name="ticket_state"), nullable=False, server_default="open"),
        sa.Column("history", postgresql.ARRAY(sa.Enum("open", "closed", name="ticket_state", create_type=False))),
    )
    op.execute("INSERT INTO tickets (state, history) VALUES ('open', NULL), ('closed', '{open,closed}')")


def downgrade() -> None:
    op.drop_table("tickets")
    op.execute("DROP TYPE ticket_state")
