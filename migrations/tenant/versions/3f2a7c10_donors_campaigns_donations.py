"""donors, their preferences, campaigns and donations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from tenancy import create_table

revision = "3f2a7c10"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "donors",
        sa.Column("kind", sa.Text(), nullable=False, server_default="person"),
        sa.Column("email", sa.Text()),
        sa.Column("first_name", sa.Text()),
        sa.Column("last_name", sa.Text()),
        sa.Column("company_name", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("address", JSONB(), nullable=False, server_default="{}"),
        sa.Column("notes", sa.Text()),
        sa.CheckConstraint("kind IN ('person', 'company')", name="donors_kind_check"),
    )
    create_table(
        "donor_preferences",
        sa.Column("donor_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("subscribed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("language", sa.Text()),
        sa.CheckConstraint("channel IN ('email', 'sms', 'phone', 'post')", name="donor_preferences_channel_check"),
        unique=[("donor_id", "channel")],
        references={"donor_id": ("donors", "CASCADE")},
    )
    create_table(
        "campaigns",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, server_default="draft"),
        sa.Column("goal_amount", sa.Numeric(14, 2)),
        sa.Column("currency", sa.Text(), nullable=False, server_default="EUR"),
        sa.Column("starts_on", sa.Date()),
        sa.Column("ends_on", sa.Date()),
        sa.CheckConstraint("status IN ('draft', 'active', 'closed')", name="campaigns_status_check"),
        sa.CheckConstraint("ends_on >= starts_on", name="campaigns_dates_check"),
        unique=[("slug",)],
    )
    create_table(
        "donations",
        sa.Column("donor_id", sa.Uuid()),  # null: an anonymous gift, or a donor who asked to be forgotten
        sa.Column("campaign_id", sa.Uuid()),
        sa.Column("amount", sa.Numeric(14, 2), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, server_default="EUR"),
        sa.Column("status", sa.Text(), nullable=False, server_default="pending"),
        sa.Column("method", sa.Text()),
        sa.Column("reference", sa.Text()),
        sa.Column("donated_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("status IN ('pending', 'completed', 'failed', 'refunded')", name="donations_status_check"),
        unique=[("reference",)],
        references={"donor_id": ("donors", "SET NULL"), "campaign_id": ("campaigns", "SET NULL")},
    )


def downgrade() -> None:
    for table in ("donations", "campaigns", "donor_preferences", "donors"):
        op.drop_table(table)
