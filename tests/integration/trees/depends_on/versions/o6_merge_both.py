"""merge both

Revision ID: o6
Revises: o4, o5
"""

from alembic import op

revision = "o6"
down_revision = ("o4", "o5")
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("accounts_name", "accounts", ["name"])


def downgrade():
    op.drop_index("accounts_name")
