"""named by the convention

Revision ID: k1
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "k1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "owners",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), unique=True),
        sa.Column("age", sa.Integer(), sa.CheckConstraint("age > 0", name="positive"), index=True),
    )
    op.create_table(
        "pets",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("owner", sa.Integer(), sa.ForeignKey("owners.id")),
        sa.Column("name", sa.Text()),
        sa.UniqueConstraint("owner", "name"),
    )


def downgrade() -> None:
    op.drop_table("pets")
    op.drop_table("owners")
