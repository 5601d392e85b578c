"""stock

Revision ID: w1
Revises:
"""

import sqlalchemy as sa
from alembic import context, op

revision = "w1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("stock", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Integer()))
    if context.is_offline_mode():
        op.execute("INSERT INTO stock (n) VALUES (-1)")
    else:
        op.execute("INSERT INTO stock (n) VALUES (1), (2)")


def downgrade():
    op.drop_table("stock")
