"""right houses

Revision ID: m4
Revises: m1
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "m4"
down_revision: str | Sequence[str] | None = "m1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "houses",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("owner", sa.Integer(), sa.ForeignKey("people.id")),
    )
    op.execute("INSERT INTO houses (owner) SELECT id FROM people")


def downgrade() -> None:
    op.drop_table("houses")
