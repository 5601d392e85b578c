"""alters what was filled

Revision ID: z3
Revises: z2
"""

import sqlalchemy as sa
from alembic import op

revision = "z3"
down_revision = "z2"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("boats", sa.Column("name", sa.Text(), server_default="none", nullable=False))
    op.alter_column("boats", "owner", nullable=False)
    op.execute("CREATE TABLE sails (id int)")
    op.execute("UPDATE boats SET owner = 3 WHERE id = 1")
    op.execute("INSERT INTO owners (id) VALUES (3)")


def downgrade():
    op.execute("UPDATE boats SET owner = 1 WHERE id = 1")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("DELETE FROM owners WHERE id = 3")
    op.execute("DROP TABLE sails")
    op.alter_column("boats", "owner", nullable=True)
    op.drop_column("boats", "name")
