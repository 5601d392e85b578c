"""rename a value and drop a type

Revision ID: e5
Revises: e4
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "e5"
down_revision: str | Sequence[str] | None = "e4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TYPE priority RENAME VALUE 'low' TO 'normal'")
    op.alter_column("tickets", "size", type_=sa.String(1), existing_type=sa.Enum("s", "m", "l", name="size"))
    op.execute("DROP TYPE size")
    op.execute("ALTER TYPE priority ADD VALUE 'urgent' AFTER 'high'")


def downgrade() -> None:
    op.execute("ALTER TABLE tickets ALTER COLUMN priority DROP DEFAULT, ALTER COLUMN priority TYPE text")
    op.execute("DROP TYPE priority")
    op.execute("CREATE TYPE priority AS ENUM ('normal', 'high')")
    op.execute("ALTER TABLE tickets ALTER COLUMN priority TYPE priority USING priority\\:\\:priority")
    op.execute("ALTER TABLE tickets ALTER COLUMN priority SET DEFAULT 'normal'")
    sa.Enum("s", "m", "l", name="size").create(op.get_bind())
    op.execute("ALTER TABLE tickets ALTER COLUMN size TYPE size USING CAST(size AS size)")
    op.execute("ALTER TYPE priority RENAME VALUE 'normal' TO 'low'")
