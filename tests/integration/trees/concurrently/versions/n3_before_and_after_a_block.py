"""before and after a block

Revision ID: n3
Revises: n2
"""

import sqlalchemy as sa
from alembic import op

revision = "n3"
down_revision = "n2"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("events", sa.Column("part", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE events SET part = id % 3")
    with op.get_context().autocommit_block():
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY events_part ON events (part, id) INCLUDE (kind)")
    op.execute("ALTER TABLE events ALTER COLUMN part DROP DEFAULT")
    with op.get_context().autocommit_block():
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY events_pair ON events (id, part)")
        op.execute("VACUUM (ANALYZE) events")
    op.execute("ALTER TABLE events ADD CONSTRAINT events_pair_key UNIQUE USING INDEX events_pair")


def downgrade():
    op.drop_constraint("events_pair_key", "events")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY events_part")
    op.drop_column("events", "part")
