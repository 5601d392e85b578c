"""split names

Revision ID: p2
Revises: p1
"""

import sqlalchemy as sa
from alembic import op

revision = "p2"
down_revision = "p1"
branch_labels = None
depends_on = None


contacts = sa.table(
    "contacts",
    sa.column("id", sa.Integer()),
    sa.column("full_name", sa.Text()),
    sa.column("first", sa.Text()),
    sa.column("last", sa.Text()),
)


def upgrade():
    op.add_column("contacts", sa.Column("first", sa.Text()))
    op.add_column("contacts", sa.Column("last", sa.Text()))
    bind = op.get_bind()
    for row in bind.execute(sa.select(contacts.c.id, contacts.c.full_name).order_by(contacts.c.id)).fetchall():
        first, _, last = row.full_name.partition(" ")
        bind.execute(contacts.update().where(contacts.c.id == row.id).values(first=first, last=last or None))
    if bind.execute(sa.text("SELECT count(*) FROM contacts WHERE first IS NULL")).scalar() == 0:
        op.alter_column("contacts", "first", nullable=False)
    op.drop_column("contacts", "full_name")


def downgrade():
    op.add_column("contacts", sa.Column("full_name", sa.Text()))
    bind = op.get_bind()
    names = {
        row["id"]: " ".join(part for part in (row["first"], row["last"]) if part)
        for row in bind.execute(sa.text("SELECT id, first, last FROM contacts ORDER BY id")).mappings()
    }
    for key, name in names.items():
        bind.execute(sa.text("UPDATE contacts SET full_name = :name WHERE id = :key"), {"key": key, "name": name})
    op.alter_column("contacts", "full_name", nullable=False)
    op.drop_column("contacts", "last")
    op.drop_column("contacts", "first")
