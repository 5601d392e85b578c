"""checked at the end

Revision ID: z2
Revises: z1
"""

from alembic import op

revision = "z2"
down_revision = "z1"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("INSERT INTO boats (owner) VALUES (1), (2)")
    op.execute("INSERT INTO owners (id) VALUES (1), (2)")
    op.execute("SET LOCAL search_path = extra, public")
    op.execute("CREATE TABLE ports (id int)")


def downgrade():
    op.execute("DROP TABLE extra.ports")
    op.execute("DELETE FROM owners; DELETE FROM boats")
