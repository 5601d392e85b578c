"""not valid yet

Revision ID: q3
Revises: q2
"""

from collections.abc import Sequence

from alembic import op

revision: str = "q3"
down_revision: str | Sequence[str] | None = "q2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE bookings SET price = -1 WHERE price = 5")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("ALTER TABLE bookings ADD CONSTRAINT bookings_price CHECK (price > 0) NOT VALID")
    op.create_check_constraint("rooms_name", "rooms", "name <> '%'", postgresql_not_valid=True)
    op.create_foreign_key("rooms_self", "rooms", "rooms", ["id"], ["id"], postgresql_not_valid=True)


def downgrade() -> None:
    op.drop_constraint("rooms_self", "rooms")
    op.drop_constraint("rooms_name", "rooms", if_exists=True)
    op.drop_constraint("bookings_price", "bookings")
    op.execute("UPDATE bookings SET price = 5 WHERE price = -1")
