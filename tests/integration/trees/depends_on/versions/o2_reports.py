"""reports

Revision ID: o2
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "o2"
down_revision = None
branch_labels = ("reports",)
depends_on = None


def upgrade():
    op.create_table("reports", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("reports")
