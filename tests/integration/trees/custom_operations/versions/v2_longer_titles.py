"""longer titles

Revision ID: v2
Revises: v1
"""

from alembic import op

revision = "v2"
down_revision = "v1"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_view("titles")
    op.create_view("titles", "SELECT id, title || '%' AS title FROM pages")


def downgrade():
    op.drop_view("titles")
    op.create_view("titles", "SELECT title FROM pages")
