"""three"""

from alembic import op

revision = "x3"
down_revision = "x2"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE c (id int)")


def downgrade():
    op.execute("DROP TABLE c")
