"""more states

Revision ID: e2
Revises: e1
"""

from collections.abc import Sequence

from alembic import op

revision: str = "e2"
down_revision: str | Sequence[str] | None = "e1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TABLE tickets ADD COLUMN title text NOT NULL DEFAULT 'none'")
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE ticket_state ADD VALUE IF NOT EXISTS 'waiting' BEFORE 'closed'")
        op.execute("ALTER TYPE ticket_state ADD VALUE 'won''t do'")
    op.execute("ALTER TABLE tickets ALTER COLUMN title DROP DEFAULT")


def downgrade() -> None:
    op.execute("ALTER TABLE tickets ALTER COLUMN state DROP DEFAULT")
    op.execute("ALTER TYPE ticket_state RENAME TO ticket_state_old")
    op.execute("CREATE TYPE ticket_state AS ENUM ('open', 'closed')")
    op.execute(
        "ALTER TABLE tickets ALTER COLUMN state TYPE ticket_state USING state\\:\\:text\\:\\:ticket_state, "
        "ALTER COLUMN history TYPE ticket_state[] USING history\\:\\:text[]\\:\\:ticket_state[]"
    )
    op.execute("ALTER TABLE tickets ALTER COLUMN state SET DEFAULT 'open'")
    op.execute("DROP TYPE ticket_state_old")
    op.drop_column("tickets", "title")
