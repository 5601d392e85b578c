"""accounts

Revision ID: o1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "o1"
down_revision = None
branch_labels = ("accounts",)
depends_on = None


def upgrade():
    op.create_table("accounts", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("accounts")
