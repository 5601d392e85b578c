"""names given

Revision ID: k2
Revises: k1
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "k2"
down_revision: str | Sequence[str] | None = "k1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pet", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date()),
        sa.CheckConstraint("day > '2000-01-01'", name=op.f("visits_recent")),
        sa.ForeignKeyConstraint(["pet"], ["pets.id"], name=op.f("fk_visits_pet_pets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visits")),
    )
    op.create_index(op.f("ix_visits_day"), "visits", ["day"])
    op.create_check_constraint("short", "pets", "length(name) < 50")
    op.create_unique_constraint(None, "visits", ["pet", "day"])
    op.create_foreign_key(None, "owners", "pets", ["age"], ["id"], initially="DEFERRED", deferrable=True)


def downgrade() -> None:
    op.drop_constraint("fk_owners_age_pets", "owners")
    op.drop_constraint(op.f("uq_visits_pet_day"), "visits")
    op.drop_constraint("short", "pets", type_="check")
    op.drop_index(op.f("ix_visits_day"), table_name="visits")
    op.drop_table("visits")
