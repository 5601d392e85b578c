"""drops what was checked

Revision ID: z4
Revises: z3
"""

from alembic import op

revision = "z4"
down_revision = "z3"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_constraint("boats_owner_fkey", "boats")


def downgrade():
    op.create_foreign_key(
        "boats_owner_fkey", "boats", "owners", ["owner"], ["id"], deferrable=True, initially="DEFERRED"
    )
