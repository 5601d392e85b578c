"""reads"""

import sqlalchemy as sa
from alembic import op

revision = "x2"
down_revision = "x1"
branch_labels = None
depends_on = None


def upgrade():
    for (key,) in op.get_bind().execute(sa.text("SELECT id FROM a ORDER BY id")).all():
        op.execute(f"UPDATE a SET id = {key + 10} WHERE id = {key}")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY a_id ON a (id)")


def downgrade():
    op.drop_index("a_id")
