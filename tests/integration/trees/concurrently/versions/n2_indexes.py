"""indexes

Revision ID: n2
Revises: n1
"""

import sqlalchemy as sa
from alembic import op

revision = "n2"
down_revision = "n1"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("events_kind", "events", ["kind"], unique=True, postgresql_concurrently=True)
        op.create_index(
            "events_doc",
            "events",
            ["doc"],
            postgresql_using="gin",
            postgresql_ops={"doc": "jsonb_path_ops"},
            postgresql_where=sa.text("kind <> '50% :: x'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("events_doc", table_name="events", postgresql_concurrently=True, if_exists=True)
        op.drop_index("events_kind", table_name="events", postgresql_concurrently=True)
