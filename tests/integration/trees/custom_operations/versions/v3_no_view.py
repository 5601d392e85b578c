"""no view

Revision ID: v3
Revises: v2
"""

from alembic import op

revision = "v3"
down_revision = "v2"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_view("titles")


def downgrade():
    op.create_view("titles", "SELECT id, title || '%' AS title FROM pages")
