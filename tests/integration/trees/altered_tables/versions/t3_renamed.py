"""renamed

Revision ID: t3
Revises: t2
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "t3"
down_revision: str | Sequence[str] | None = "t2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.rename_table("clients", "Customers")
    op.execute("ALTER SEQUENCE clients_id_seq RENAME TO customers_id_seq")
    op.execute('ALTER INDEX clients_pkey RENAME TO "Customers_pkey"')
    op.execute('ALTER TABLE "Customers" RENAME CONSTRAINT clients_code_key TO "it\'s unique"')
    op.alter_column("Customers", "code", new_column_name="Öffentlicher Code %", existing_type=sa.String(5))
    op.create_table_comment("Customers", "renamed: was 'clients'", existing_comment="people; 'quoted' \\ 5%")
    op.add_column("Customers", sa.Column("select", sa.Text(), comment="a reserved word"))
    op.add_column("Customers", sa.Column("parent", sa.Integer(), sa.ForeignKey("Customers.id", name="to_parent")))


def downgrade() -> None:
    op.drop_column("Customers", "parent")
    op.drop_column("Customers", "select")
    op.create_table_comment("Customers", "people; 'quoted' \\ 5%")
    op.alter_column("Customers", "Öffentlicher Code %", new_column_name="code")
    op.execute('ALTER TABLE "Customers" RENAME CONSTRAINT "it\'s unique" TO clients_code_key')
    op.execute('ALTER INDEX "Customers_pkey" RENAME TO clients_pkey')
    op.execute("ALTER SEQUENCE customers_id_seq RENAME TO clients_id_seq")
    op.rename_table("Customers", "clients")
