"""columns with constraints

Revision ID: k3
Revises: k2
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "k3"
down_revision: str | Sequence[str] | None = "k2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("visits", sa.Column("vet", sa.Integer(), sa.ForeignKey("owners.id"), unique=True))
    op.add_column("visits", sa.Column("code", sa.Text(), index=True))
    with op.batch_alter_table("visits") as batch:
        batch.create_check_constraint("coded", "code <> ''")
        batch.create_unique_constraint(None, ["code"])


def downgrade() -> None:
    op.drop_constraint("uq_visits_code", "visits")
    op.drop_constraint("coded", "visits", type_="check")
    op.drop_column("visits", "code")
    op.drop_column("visits", "vet")
