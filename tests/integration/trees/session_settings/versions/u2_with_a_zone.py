"""with a zone

Revision ID: u2
Revises: u1
"""

import sqlalchemy as sa
from alembic import op

revision = "u2"
down_revision = "u1"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("visits", "at", type_=sa.DateTime(timezone=True), existing_nullable=False)
    op.execute("UPDATE visits SET day = at::date WHERE day = '31/12/2024'")


def downgrade():
    op.alter_column("visits", "at", type_=sa.DateTime(), existing_nullable=False)
    op.execute("UPDATE visits SET day = '31/12/2024' WHERE day = '01/01/2024'")
