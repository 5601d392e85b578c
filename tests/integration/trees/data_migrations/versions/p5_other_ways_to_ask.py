"""other ways to ask

Revision ID: p5
Revises: p4
"""

import sqlalchemy as sa
from alembic import op

revision = "p5"
down_revision = "p4"
branch_labels = None
depends_on = None


def upgrade():
    bind = op.get_bind()
    contacts = sa.Table("contacts", sa.MetaData(), autoload_with=bind)
    added = bind.execute(contacts.insert().values(first="Zoe").returning(contacts.c.id)).scalar_one()
    changed = bind.execute(contacts.update().where(contacts.c.id == added).values(last=f"number {added}")).rowcount
    with bind.begin_nested() as savepoint:
        bind.exec_driver_sql("INSERT INTO contacts (first, last) VALUES (%s, '100%%')", ("thrown away",))
        savepoint.rollback()
    first = bind.exec_driver_sql("SELECT first FROM contacts WHERE id = %(id)s", {"id": 1}).scalar_one()
    op.execute(sa.text("UPDATE contacts SET score = :n WHERE first = :f").bindparams(n=changed + 41, f=first))
    op.execute(
        sa.text("SELECT set_config('x.y', :v, true)").bindparams(v="it's"), execution_options={"autocommit": True}
    )
    if bind.scalar(sa.text("SELECT to_regclass('absent')")) is None:
        op.execute("COMMENT ON TABLE contacts IS 'nothing absent'")


def downgrade():
    op.execute("COMMENT ON TABLE contacts IS NULL")
    op.get_bind().execute(sa.text("DELETE FROM contacts WHERE first = :first"), {"first": "Zoe"})
    op.execute("UPDATE contacts SET score = 2 WHERE score = 42")
