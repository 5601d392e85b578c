"""sales

Revision ID: s1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "s1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE SCHEMA sales")
    op.execute(sa.schema.CreateSchema("Odd Schema%", if_not_exists=True))
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("state", sa.Enum("new", "paid", name="state", schema="sales"), server_default="new"),
        schema="sales",
    )
    op.execute("INSERT INTO sales.orders (state) VALUES ('paid'), (DEFAULT)")


def downgrade():
    op.drop_table("orders", schema="sales")
    op.execute("DROP TYPE sales.state")
    op.execute(sa.schema.DropSchema("Odd Schema%"))
    op.execute("DROP SCHEMA sales")
