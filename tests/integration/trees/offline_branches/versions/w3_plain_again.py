"""plain again

Revision ID: w3
Revises: w2
"""

from alembic import op

revision = "w3"
down_revision = "w2"
branch_labels = None
depends_on = None


def upgrade():
    op.create_check_constraint("stock_n", "stock", "n IS NOT NULL")


def downgrade():
    op.drop_constraint("stock_n", "stock")
