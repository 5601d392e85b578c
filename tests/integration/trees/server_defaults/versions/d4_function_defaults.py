"""function defaults

Revision ID: d4
Revises: d3
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "d4"
down_revision: str | Sequence[str] | None = "d3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("CREATE FUNCTION next_code(prefix text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT prefix || '-1' $$")
    op.add_column("pages", sa.Column("code", sa.Text(), server_default=sa.text("next_code('it''s')"), nullable=False))
    op.execute("ALTER TABLE pages ALTER COLUMN text SET DEFAULT E'tab\\there'")
    op.add_column("pages", sa.Column("at", sa.DateTime(), server_default=sa.FetchedValue()))
    op.add_column("pages", sa.Column("of", sa.Integer(), server_default="3"))
    op.alter_column("pages", "of", new_column_name="total", server_default=sa.text("(3 + 4)"), type_=sa.BigInteger())


def downgrade() -> None:
    op.drop_column("pages", "total")
    op.drop_column("pages", "at")
    op.alter_column("pages", "text", server_default=None)
    op.drop_column("pages", "code")
    op.execute("DROP FUNCTION next_code(text)")
