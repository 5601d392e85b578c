"""consent of donors, one donor for an e-mail address, no empty donations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP
from tenancy import create_unique, drop_unique

revision = "9c1b04aa"
down_revision = "7d40b9e2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("donors", sa.Column("consent_at", TIMESTAMP(timezone=True)))
    create_unique("donors", ["email"])
    op.create_check_constraint("donations_amount_check", "donations", "amount > 0")


def downgrade() -> None:
    op.drop_constraint("donations_amount_check", "donations")
    drop_unique("donors", ["email"])
    op.drop_column("donors", "consent_at")
