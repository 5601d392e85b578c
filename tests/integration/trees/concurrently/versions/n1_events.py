"""events

Revision ID: n1
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "n1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("doc", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.execute("INSERT INTO events (kind) SELECT 'kind ' || n FROM generate_series(1, 20) n")


def downgrade():
    op.drop_table("events")
