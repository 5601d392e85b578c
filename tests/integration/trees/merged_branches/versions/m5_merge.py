"""merge

Revision ID: m5
Revises: m3, m4
"""

from collections.abc import Sequence

revision: str = "m5"
down_revision: str | Sequence[str] | None = ("m3", "m4")
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
