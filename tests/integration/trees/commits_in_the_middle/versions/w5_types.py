"""a table with an enumerated type, which Alembic makes once"""

import sqlalchemy as sa
from alembic import op

revision = "w5"
down_revision = "w4"
branch_labels = None
depends_on = None


def upgrade():
    mood = sa.Enum("sad", "fine", name="mood")
    op.create_table("c", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("mood", mood))
    op.create_table("d", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("mood", mood))


def downgrade():
    op.drop_table("d")
    op.drop_table("c")
    op.execute("DROP TYPE mood")
