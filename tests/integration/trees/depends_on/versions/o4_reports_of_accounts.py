"""reports of accounts

Revision ID: o4
Revises: o2
"""

import sqlalchemy as sa
from alembic import op

revision = "o4"
down_revision = "o2"
branch_labels = None
depends_on = "o3"


def upgrade():
    op.add_column("reports", sa.Column("account", sa.Integer(), sa.ForeignKey("accounts.id")))
    op.execute("INSERT INTO reports (account) SELECT id FROM accounts WHERE kind = 'free'")


def downgrade():
    op.execute("DELETE FROM reports")
    op.drop_column("reports", "account")
