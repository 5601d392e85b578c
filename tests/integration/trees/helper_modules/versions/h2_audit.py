"""audit

Revision ID: h2
Revises: h1
"""

from alembic import op
from scripts import script

revision = "h2"
down_revision = "h1"
branch_labels = None
depends_on = None


def upgrade():
    op.execute(script("audit"))
    op.execute("CREATE TRIGGER shops_note AFTER INSERT OR UPDATE ON shops EXECUTE FUNCTION note()")
    op.execute("UPDATE shops SET gone_at = '2024-02-02 00:00+00'")


def downgrade():
    op.execute("DROP TRIGGER shops_note ON shops; DROP FUNCTION note(); DROP TABLE audit")
    op.execute("UPDATE shops SET gone_at = NULL")
