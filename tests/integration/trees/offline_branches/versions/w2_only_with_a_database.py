"""only with a database

Revision ID: w2
Revises: w1
"""

import sqlalchemy as sa
from alembic import op

revision = "w2"
down_revision = "w1"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("stock", sa.Column("double", sa.Integer()))
    if not op.get_context().as_sql:
        for key, n in op.get_bind().execute(sa.text("SELECT id, n FROM stock ORDER BY id")).all():
            op.execute(f"UPDATE stock SET double = {n * 2} WHERE id = {key}")


def downgrade():
    op.drop_column("stock", "double")
    if not op.get_context().as_sql:
        op.execute("UPDATE stock SET n = n + 0")
