"""indexes for donations and events by time"""

from tenancy import create_index, drop_index

revision = "7d40b9e2"
down_revision = "58d1e6b4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("donations", ["donated_at"])
    create_index("analytics_events", ["name", "occurred_at"])


def downgrade() -> None:
    drop_index("analytics_events", ["name", "occurred_at"])
    drop_index("donations", ["donated_at"])
