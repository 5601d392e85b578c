"""seeds unless told not to

Revision ID: i2
Revises: i1
"""

from collections.abc import Sequence

from alembic import context, op

revision: str = "i2"
down_revision: str | Sequence[str] | None = "i1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    if context.get_x_argument(as_dictionary=True).get("seed", "true") == "true":
        op.execute("INSERT INTO shelves (n) VALUES (1), (2)")


def downgrade() -> None:
    op.execute("DELETE FROM shelves WHERE n < 3")
