"""validated

Revision ID: q4
Revises: q3
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "q4"
down_revision: str | Sequence[str] | None = "q3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE bookings SET price = 1 WHERE price < 0")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table, name in (("bookings", "bookings_price"), ("rooms", "rooms_name"), ("rooms", "rooms_self")):
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    op.create_exclude_constraint(
        "no_overlap",
        "bookings",
        (sa.literal_column("int4range(room, room, '[]')"), "&&"),
        ("during", "&&"),
        using="gist",
    )
    op.execute("ALTER TABLE rooms ADD UNIQUE NULLS NOT DISTINCT (name)")
    op.drop_constraint("rooms_name_key", "rooms")


def downgrade() -> None:
    op.execute("ALTER TABLE rooms DROP CONSTRAINT rooms_name_key1, ADD UNIQUE (name)")
    op.drop_constraint("no_overlap", "bookings")
    op.drop_constraint("rooms_self", "rooms")
    op.drop_constraint("rooms_name", "rooms")
    op.drop_constraint("bookings_price", "bookings")
    op.execute("UPDATE bookings SET price = -1 WHERE price = 1")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("ALTER TABLE bookings ADD CONSTRAINT bookings_price CHECK (price > 0) NOT VALID")
    op.execute("ALTER TABLE rooms ADD CONSTRAINT rooms_name CHECK (name <> '%') NOT VALID")
    op.create_foreign_key("rooms_self", "rooms", "rooms", ["id"], ["id"], postgresql_not_valid=True)
