"""settings

Revision ID: r5
Revises: r4
"""

from alembic import op

revision = "r5"
down_revision = "r4"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout TO '1min'")
    op.execute("LOCK TABLE said IN SHARE ROW EXCLUSIVE MODE")
    op.execute("SAVEPOINT here")
    op.execute("INSERT INTO said (id, what) VALUES (9000, 'thrown away')")
    op.execute("ROLLBACK TO SAVEPOINT here; RELEASE here")
    op.execute("CREATE TEMPORARY TABLE scratch ON COMMIT DROP AS SELECT * FROM said")
    op.execute("INSERT INTO said (id, what) SELECT 9001, 'rows: ' || count(*) FROM scratch")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog")


def downgrade():
    op.execute("DELETE FROM said WHERE id = 9001")
