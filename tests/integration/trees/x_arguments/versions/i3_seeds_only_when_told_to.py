"""seeds only when told to

Revision ID: i3
Revises: i2
"""

from collections.abc import Sequence

from alembic import context, op

revision: str = "i3"
down_revision: str | Sequence[str] | None = "i2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    if "samples" in context.get_x_argument(as_dictionary=True):
        op.execute("INSERT INTO shelves (n) VALUES (3)")
    op.create_index("shelves_n", "shelves", ["n"])


def downgrade() -> None:
    op.drop_index("shelves_n")
