"""clients

Revision ID: t1
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "t1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("nom", sa.String(20), nullable=False, comment="what it's called: 100%"),
        sa.Column("age", sa.Integer(), index=True),
        sa.Column("code", sa.String(5), unique=True),
        sa.CheckConstraint("age > 0", name="clients_age"),
        comment="people; 'quoted' \\ 5%",
    )
    op.execute("INSERT INTO clients (nom, age, code) VALUES ('a', 1, 'x'), ('b', 2, 'y')")


def downgrade() -> None:
    op.drop_table("clients")
