"""altered identity

Revision ID: g3
Revises: g2
"""

import sqlalchemy as sa
from alembic import op

revision = "g3"
down_revision = "g2"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column(
        "lines",
        "nr",
        server_default=sa.Identity(always=True, start=200, increment=2),
        existing_server_default=sa.Identity(start=100, minvalue=100, cycle=True),
    )
    op.alter_column(
        "lines", "id", server_default=None, existing_server_default=sa.Identity(always=True, start=10, increment=10)
    )
    op.execute("INSERT INTO lines (id, price, count) VALUES (7, 3, 3)")
    op.execute("ALTER TABLE lines ALTER COLUMN half DROP EXPRESSION")
    op.alter_column("lines", "half", nullable=False)


def downgrade():
    op.alter_column("lines", "half", nullable=True)
    op.drop_column("lines", "half")
    op.execute("ALTER TABLE lines ADD COLUMN half numeric GENERATED ALWAYS AS (round(price / 2, 1)) STORED")
    op.execute("DELETE FROM lines WHERE id = 7")
    op.alter_column("lines", "id", server_default=sa.Identity(always=True, start=10, increment=10))
    op.execute("SELECT setval(pg_get_serial_sequence('lines', 'id'), max(id)) FROM lines")
    op.alter_column(
        "lines",
        "nr",
        server_default=sa.Identity(start=100, minvalue=100, cycle=True),
        existing_server_default=sa.Identity(always=True, start=200, increment=2),
    )
