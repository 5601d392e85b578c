"""other defaults

Revision ID: d2
Revises: d1
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "d2"
down_revision: str | Sequence[str] | None = "d1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column("papers", "said", server_default=None)
    op.alter_column(
        "papers", "state", server_default="draft", existing_server_default="new", existing_type=sa.String(10)
    )
    op.alter_column("papers", "day", server_default=sa.text("date '2000-01-01'"))
    op.alter_column("papers", "doc", server_default=sa.text("""'{"a" : [1, "b"]}'::jsonb"""))
    op.alter_column("papers", "made_at", server_default=sa.text("timezone('utc', now())"))
    op.alter_column("papers", "flag", server_default=sa.true(), nullable=False)
    op.alter_column(
        "papers", "price", type_=sa.Text(), server_default="none", nullable=False, existing_type=sa.Numeric(8, 2)
    )
    op.alter_column("papers", "nothing", server_default=sa.func.concat("a", sa.literal_column("'%'")))
    op.execute(
        "INSERT INTO papers (id, made_at) VALUES ('00000000-0000-0000-0000-000000000002', '2024-01-02 00:00+00')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM papers WHERE id = '00000000-0000-0000-0000-000000000002'")
    op.alter_column("papers", "nothing", server_default=sa.null())
    op.alter_column("papers", "price", server_default=None)
    op.alter_column(
        "papers",
        "price",
        type_=sa.Numeric(8, 2),
        existing_type=sa.Text(),
        nullable=True,
        postgresql_using="price::numeric",
    )
    op.alter_column("papers", "price", server_default=sa.text("1.5 * 2"))
    op.alter_column("papers", "flag", server_default=sa.false(), nullable=True)
    op.alter_column("papers", "made_at", server_default=sa.func.now())
    op.alter_column("papers", "doc", server_default=sa.text("'{}'::jsonb"))
    op.alter_column("papers", "day", server_default=sa.text("CURRENT_DATE"))
    op.alter_column("papers", "state", server_default="new")
    op.alter_column("papers", "said", server_default="it's 50% 'a':b \\ x")
