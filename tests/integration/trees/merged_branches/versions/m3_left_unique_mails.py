"""left unique mails

Revision ID: m3
Revises: m2
"""

from collections.abc import Sequence

from alembic import op

revision: str = "m3"
down_revision: str | Sequence[str] | None = "m2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE people SET mail = lower(name) || '@x.org'")
    op.create_unique_constraint("people_mail", "people", ["mail"])


def downgrade() -> None:
    op.drop_constraint("people_mail", "people")
