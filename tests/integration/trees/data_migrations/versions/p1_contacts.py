"""contacts

Revision ID: p1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "p1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("extra", sa.JSON()),
    )
    contacts = sa.table("contacts", sa.column("full_name", sa.Text()), sa.column("extra", sa.JSON()))
    bind = op.get_bind()
    bind.execute(
        contacts.insert(),
        [
            {"full_name": "Ada Lovelace", "extra": {"mails": ["ada@x.org", "a:b@x.org"]}},
            {"full_name": "Madonna", "extra": None},
            {"full_name": "100% O'Neil \\ %s", "extra": {"mails": []}},
        ],
    )
    bind.execute(sa.text("INSERT INTO contacts (full_name) VALUES (:name)"), {"name": "By :parameter"})


def downgrade():
    op.drop_table("contacts")
