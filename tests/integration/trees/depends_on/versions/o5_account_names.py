"""account names

Revision ID: o5
Revises: o3
"""

import sqlalchemy as sa
from alembic import op

revision = "o5"
down_revision = "o3"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("name", sa.Text()))


def downgrade():
    op.drop_column("accounts", "name")
