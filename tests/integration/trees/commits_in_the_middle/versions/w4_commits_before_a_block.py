"""commits what it has done before it builds an index"""

import sqlalchemy as sa
from alembic import op

revision = "w4"
down_revision = "w3"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("a", sa.Column("seen", sa.Date(), server_default="2024-03-02"))
    op.get_bind().commit()
    with op.get_context().autocommit_block():
        op.create_index("a_seen", "a", ["seen"], postgresql_concurrently=True)


def downgrade():
    op.drop_column("a", "seen")
