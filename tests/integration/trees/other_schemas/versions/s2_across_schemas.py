"""across schemas

Revision ID: s2
Revises: s1
"""

import sqlalchemy as sa
from alembic import op

revision = "s2"
down_revision = "s1"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("order", sa.Integer(), sa.ForeignKey("sales.orders.id", ondelete="CASCADE"), nullable=False),
        schema="Odd Schema%",
    )
    op.create_index("items_order", "items", ["order"], schema="Odd Schema%")
    op.add_column("orders", sa.Column("note", sa.Text()), schema="sales")
    orders = sa.table("orders", sa.column("note", sa.Text()), schema="sales")
    op.bulk_insert(orders, [{"note": "it's :a"}, {"note": "100%"}])
    op.execute(orders.update().where(orders.c.note == "100%").values(note="50%"))
    op.create_foreign_key(
        "last_item",
        "orders",
        "items",
        ["id"],
        ["id"],
        source_schema="sales",
        referent_schema="Odd Schema%",
        postgresql_not_valid=True,
    )


def downgrade():
    op.drop_constraint("last_item", "orders", schema="sales")
    op.execute("DELETE FROM sales.orders WHERE note IS NOT NULL")
    op.drop_column("orders", "note", schema="sales")
    op.drop_table("items", schema="Odd Schema%")
