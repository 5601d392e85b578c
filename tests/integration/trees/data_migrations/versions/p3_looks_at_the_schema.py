"""looks at the schema

Revision ID: p3
Revises: p2
"""

import sqlalchemy as sa
from alembic import op

revision = "p3"
down_revision = "p2"
branch_labels = None
depends_on = None


def has_column(table: str, name: str) -> bool:
    return name in {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}


def upgrade():
    if op.get_context().dialect.name != "postgresql":
        raise NotImplementedError("PostgreSQL only")
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("mails"):
        op.create_table(
            "mails",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("contact", sa.Integer(), sa.ForeignKey("contacts.id", name="mails_of"), nullable=False),
            sa.Column("mail", sa.Text(), nullable=False),
        )
    if not has_column("contacts", "score"):
        op.add_column("contacts", sa.Column("score", sa.Integer(), server_default="0"))
    for key in inspector.get_foreign_keys("mails"):
        op.drop_constraint(key["name"], "mails", type_="foreignkey")
    op.create_foreign_key("mails_contact", "mails", "contacts", ["contact"], ["id"], ondelete="CASCADE")
    if op.get_bind().dialect.server_version_info >= (12,):
        op.create_index("mails_mail", "mails", ["mail"], if_not_exists=True)


def downgrade():
    if has_column("contacts", "score"):
        op.drop_column("contacts", "score")
    op.drop_table("mails")
