"""left mails

Revision ID: m2
Revises: m1
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "m2"
down_revision: str | Sequence[str] | None = "m1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("people", sa.Column("mail", sa.Text(), server_default="none"))


def downgrade() -> None:
    op.drop_column("people", "mail")
