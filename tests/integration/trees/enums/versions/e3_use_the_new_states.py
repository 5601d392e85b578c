"""use the new states

Revision ID: e3
Revises: e2
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "e3"
down_revision: str | Sequence[str] | None = "e2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column("tickets", "state", server_default="waiting")
    op.execute("INSERT INTO tickets (title) VALUES ('by default')")
    op.execute("UPDATE tickets SET state = 'won''t do' WHERE state = 'closed'")
    op.create_check_constraint("tickets_not_both", "tickets", "state <> 'won''t do' OR history IS NOT NULL")
    op.create_index("tickets_waiting", "tickets", ["id"], postgresql_where=sa.text("state = 'waiting'"))


def downgrade() -> None:
    op.drop_index("tickets_waiting", table_name="tickets")
    op.drop_constraint("tickets_not_both", "tickets", type_="check")
    op.execute("UPDATE tickets SET state = 'closed' WHERE state = 'won''t do'")
    op.execute("DELETE FROM tickets WHERE state = 'waiting'")
    op.alter_column("tickets", "state", server_default="open")
