"""forms and analytics events"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from tenancy import create_table

revision = "58d1e6b4"
down_revision = "3f2a7c10"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "forms",
        sa.Column("campaign_id", sa.Uuid()),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False, server_default="{}"),
        sa.Column("published", sa.Boolean(), nullable=False, server_default=sa.false()),
        unique=[("slug",)],
        references={"campaign_id": ("campaigns", "SET NULL")},
    )
    create_table(
        "analytics_events",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form_id", sa.Uuid()),
        sa.Column("donor_id", sa.Uuid()),
        sa.Column("session_key", sa.Text()),
        sa.Column("properties", JSONB(), nullable=False, server_default="{}"),
        sa.Column("occurred_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        references={"form_id": ("forms", "SET NULL"), "donor_id": ("donors", "SET NULL")},
    )


def downgrade() -> None:
    op.drop_table("analytics_events")
    op.drop_table("forms")
