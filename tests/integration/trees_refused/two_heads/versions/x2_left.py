"""left"""

from alembic import op

revision = "x2"
down_revision = "x1"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE b (id int)")


def downgrade():
    op.execute("DROP TABLE b")
