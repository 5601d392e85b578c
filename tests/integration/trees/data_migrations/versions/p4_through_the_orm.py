"""through the orm

Revision ID: p4
Revises: p3
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import orm

revision = "p4"
down_revision = "p3"
branch_labels = None
depends_on = None


class Base(orm.DeclarativeBase):
    pass


class Contact(Base):
    __tablename__ = "contacts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    extra: orm.Mapped[dict[str, list[str]] | None] = orm.mapped_column(sa.JSON)
    score: orm.Mapped[int | None]
    mails: orm.Mapped[list["Mail"]] = orm.relationship(order_by="Mail.id")


class Mail(Base):
    __tablename__ = "mails"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    contact: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("contacts.id"))
    mail: orm.Mapped[str]


def upgrade():
    with orm.Session(bind=op.get_bind()) as session:
        for contact in session.scalars(sa.select(Contact).order_by(Contact.id)):
            contact.mails = [Mail(mail=mail) for mail in (contact.extra or {}).get("mails", ())]
            contact.score = len(contact.mails)
            session.flush()
        session.commit()
    op.drop_column("contacts", "extra")


def downgrade():
    op.add_column("contacts", sa.Column("extra", sa.JSON()))
    session = orm.Session(bind=op.get_bind())
    for contact in session.scalars(sa.select(Contact).order_by(Contact.id)):
        contact.extra = {"mails": [mail.mail for mail in contact.mails]} if contact.mails else None
        session.flush()
    session.flush()
    op.execute("DELETE FROM mails")
    op.execute("ALTER SEQUENCE mails_id_seq RESTART")
