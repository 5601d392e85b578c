"""pages

Revision ID: v1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "v1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("pages", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("title", sa.Text()))
    op.create_view("titles", "SELECT title FROM pages")


def downgrade():
    op.drop_view("titles")
    op.drop_table("pages")
