"""base"""

from alembic import op

revision = "w1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE a (id int, batch int)")
    op.execute("INSERT INTO a SELECT n FROM generate_series(1, 25) n")


def downgrade():
    op.execute("DROP TABLE a")
