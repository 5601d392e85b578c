"""shops

Revision ID: h1
Revises:
"""

import sqlalchemy as sa
from alembic import op
from columns import key, timestamps

revision = "h1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("shops", key(), sa.Column("name", sa.Text()), *timestamps())
    op.execute("INSERT INTO shops (name, made_at) VALUES ('one', '2024-01-01 00:00+00')")


def downgrade():
    op.drop_table("shops")
