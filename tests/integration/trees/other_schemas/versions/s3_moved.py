"""moved

Revision ID: s3
Revises: s2
"""

from alembic import op

revision = "s3"
down_revision = "s2"
branch_labels = None
depends_on = None


def upgrade():
    op.execute('ALTER TABLE sales.orders SET SCHEMA "Odd Schema%"')
    op.rename_table("items", "parts", schema="Odd Schema%")
    op.alter_column("orders", "note", new_column_name="remark", nullable=True, schema="Odd Schema%")
    op.execute("SET LOCAL search_path = sales")
    op.execute("CREATE TABLE by_path (id int)")
    op.execute("SET LOCAL search_path = public")
    op.execute("CREATE TABLE in_public (id int)")
    op.execute("SET search_path = sales")
    op.execute("CREATE TABLE by_session (id int)")
    op.execute("RESET search_path")
    op.execute("CREATE TABLE back_in_public (id int)")


def downgrade():
    op.execute("DROP TABLE in_public, back_in_public, sales.by_path, sales.by_session")
    op.alter_column("orders", "remark", new_column_name="note", schema="Odd Schema%")
    op.rename_table("parts", "items", schema="Odd Schema%")
    op.execute('ALTER TABLE "Odd Schema%".orders SET SCHEMA sales')
