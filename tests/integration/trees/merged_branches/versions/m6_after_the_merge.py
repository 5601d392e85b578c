"""after the merge

Revision ID: m6
Revises: m5
"""

from collections.abc import Sequence

from alembic import op

revision: str = "m6"
down_revision: str | Sequence[str] | None = "m5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("CREATE VIEW owners AS SELECT p.mail, h.id FROM people p JOIN houses h ON h.owner = p.id")


def downgrade() -> None:
    op.execute("DROP VIEW owners")
