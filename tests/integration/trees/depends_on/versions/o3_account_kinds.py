"""account kinds

Revision ID: o3
Revises: o1
"""

import sqlalchemy as sa
from alembic import op

revision = "o3"
down_revision = "o1"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("kind", sa.Text(), server_default="free"))
    op.execute("INSERT INTO accounts (kind) VALUES ('paid'), (DEFAULT)")


def downgrade():
    op.execute("DELETE FROM accounts")
    op.drop_column("accounts", "kind")
