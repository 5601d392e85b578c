"""rebuilt

Revision ID: n4
Revises: n3
"""

import sqlalchemy as sa
from alembic import op

revision = "n4"
down_revision = "n3"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("REINDEX INDEX CONCURRENTLY events_kind")
        op.drop_index("events_doc", postgresql_concurrently=True)
        op.create_index("events_lower", "events", [sa.text("lower(kind)"), "id"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("events_lower", postgresql_concurrently=True)
        op.execute(
            "CREATE INDEX CONCURRENTLY events_doc ON events USING gin (doc jsonb_path_ops) WHERE kind <> '50% \\:\\: x'"
        )
