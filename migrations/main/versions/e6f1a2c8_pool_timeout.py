"""pool timeout: how long an application waits for a connection of its pool, in ms; NULL: as its driver has it"""

from alembic import op

revision = "e6f1a2c8"
down_revision = "b52c90e1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE organizations ADD COLUMN pool_timeout integer CHECK (pool_timeout > 0)")


def downgrade() -> None:
    op.execute("ALTER TABLE organizations DROP COLUMN pool_timeout")
