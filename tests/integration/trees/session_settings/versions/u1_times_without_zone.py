"""times without zone

Revision ID: u1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "u1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("day", sa.Date()),
    )
    op.execute(
        "INSERT INTO visits (at, day) VALUES ('2024-07-01 12:00', '01/02/2024'), ('2024-01-01 00:30', '31/12/2024')"
    )


def downgrade():
    op.drop_table("visits")
