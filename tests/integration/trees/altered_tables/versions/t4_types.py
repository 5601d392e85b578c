"""types

Revision ID: t4
Revises: t3
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "t4"
down_revision: str | Sequence[str] | None = "t3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column(
        "Customers",
        "age",
        type_=sa.Numeric(),
        existing_type=sa.BigInteger(),
        existing_nullable=False,
        existing_comment="years",
    )
    op.alter_column("Customers", "name", type_=sa.String(200, collation="C"))
    op.alter_column("Customers", "mail", server_default=None)
    op.alter_column("Customers", "mail", type_=postgresql.ARRAY(sa.Text()), postgresql_using="ARRAY[mail]")
    op.drop_table_comment("Customers")
    op.drop_column("Customers", "select", if_exists=True)
    op.add_column("Customers", sa.Column("mail", sa.Text()), if_not_exists=True)
    op.create_table("Customers", sa.Column("x", sa.Integer()), if_not_exists=True)


def downgrade() -> None:
    op.add_column("Customers", sa.Column("select", sa.Text(), comment="a reserved word"))
    op.create_table_comment("Customers", "renamed: was 'clients'")
    op.alter_column("Customers", "mail", type_=sa.Text(), postgresql_using="mail[1]")
    op.alter_column("Customers", "mail", server_default="none")
    op.alter_column("Customers", "name", type_=sa.Text())
    op.alter_column("Customers", "age", type_=sa.BigInteger(), postgresql_using="age::bigint")
