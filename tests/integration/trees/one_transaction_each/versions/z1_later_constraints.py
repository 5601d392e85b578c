"""later constraints

Revision ID: z1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "z1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE SCHEMA IF NOT EXISTS extra")
    op.create_table("owners", sa.Column("id", sa.Integer(), primary_key=True))
    op.create_table(
        "boats",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("owner", sa.Integer(), sa.ForeignKey("owners.id", deferrable=True, initially="DEFERRED")),
    )


def downgrade():
    op.drop_table("boats")
    op.drop_table("owners")
    op.execute("DROP SCHEMA extra")
