"""deferrable

Revision ID: q2
Revises: q1
"""

from collections.abc import Sequence

from alembic import op

revision: str = "q2"
down_revision: str | Sequence[str] | None = "q1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_foreign_key(
        "bookings_room",
        "bookings",
        "rooms",
        ["room"],
        ["id"],
        deferrable=True,
        initially="DEFERRED",
        ondelete="SET NULL",
        onupdate="CASCADE",
        match="FULL",
    )
    op.execute("SET CONSTRAINTS bookings_room DEFERRED")
    op.execute("INSERT INTO bookings (room, during, price) VALUES (3, '[2025-01-01, 2025-01-02)', 5)")
    op.execute("INSERT INTO rooms (id, name) VALUES (3, 'c')")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.create_unique_constraint("rooms_order", "rooms", ["id", "name"], deferrable=True)


def downgrade() -> None:
    op.drop_constraint("rooms_order", "rooms", type_="unique")
    op.drop_constraint("bookings_room", "bookings", type_="foreignkey")
    op.execute("DELETE FROM bookings WHERE room = 3; DELETE FROM rooms WHERE id = 3")
