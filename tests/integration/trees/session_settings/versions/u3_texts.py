"""texts

Revision ID: u3
Revises: u2
"""

import sqlalchemy as sa
from alembic import op

revision = "u3"
down_revision = "u2"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("visits", sa.Column("said", sa.Text()))
    op.execute("UPDATE visits SET said = at || ' ' || day || ' ' || current_setting('TimeZone')")


def downgrade():
    op.drop_column("visits", "said")
