"""in batches

Revision ID: t2
Revises: t1
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "t2"
down_revision: str | Sequence[str] | None = "t1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("clients") as batch:
        batch.add_column(sa.Column("mail", sa.Text(), server_default="none"))
        batch.alter_column("age", type_=sa.BigInteger(), nullable=False, comment="years")
        batch.alter_column(
            "nom", new_column_name="name", type_=sa.Text(), existing_comment="what it's called: 100%", comment=None
        )
        batch.drop_constraint("clients_age", type_="check")
        batch.create_check_constraint("clients_adult", "age >= 1")
        batch.create_unique_constraint("clients_mail_name", ["mail", "name"])
        batch.create_index("clients_name", ["name"], unique=False)
        batch.drop_index("ix_clients_age")


def downgrade() -> None:
    with op.batch_alter_table("clients") as batch:
        batch.create_index("ix_clients_age", ["age"])
        batch.drop_index("clients_name")
        batch.drop_constraint("clients_mail_name", type_="unique")
        batch.drop_constraint("clients_adult", type_="check")
        batch.create_check_constraint("clients_age", "age > 0")
        batch.alter_column("name", new_column_name="nom", type_=sa.String(20), comment="what it's called: 100%")
        batch.alter_column("age", type_=sa.Integer(), nullable=True, comment=None)
        batch.drop_column("mail")
