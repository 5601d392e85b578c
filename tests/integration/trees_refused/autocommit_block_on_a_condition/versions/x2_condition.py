"""condition"""

import sqlalchemy as sa
from alembic import op

revision = "x2"
down_revision = "x1"
branch_labels = None
depends_on = None


def upgrade():
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM a")) == 0:
        with op.get_context().autocommit_block():
            op.create_index("a_id", "a", ["id"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("a_id")
