"""papers

Revision ID: d1
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateSequence, DropSequence

revision: str = "d1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute(CreateSequence(sa.Sequence("paper_numbers", start=1000, increment=5, cache=1)))
    op.create_table(
        "papers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True),
        sa.Column("number", sa.BigInteger(), server_default=sa.Sequence("paper_numbers").next_value(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("day", sa.Date(), server_default=sa.text("CURRENT_DATE")),
        sa.Column("said", sa.Text(), server_default="it's 50% 'a':b \\ x"),
        sa.Column("clock", sa.Time(), server_default="12:30:00"),
        sa.Column("doc", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}"),
        sa.Column("flag", sa.Boolean(), server_default=sa.false()),
        sa.Column("price", sa.Numeric(8, 2), server_default=sa.text("1.5 * 2")),
        sa.Column("span", sa.Interval(), server_default=sa.text("interval '1 day 02:00'")),
        sa.Column("state", sa.String(10), server_default=sa.literal("new")),
        sa.Column("who", sa.Text(), server_default=sa.text("current_setting('papers.who'::text, true)")),
        sa.Column("nothing", sa.Text(), server_default=sa.null()),
    )
    op.execute(
        "INSERT INTO papers (id, made_at, day) VALUES ('00000000-0000-0000-0000-000000000001', '2024-01-01 00:00+00', '2024-01-01')"
    )


def downgrade() -> None:
    op.drop_table("papers")
    op.execute(DropSequence(sa.Sequence("paper_numbers")))
