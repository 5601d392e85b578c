"""bound

Revision ID: r4
Revises: r3
"""

import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = "r4"
down_revision = "r3"
branch_labels = None
depends_on = None


said = sa.table("said", sa.column("id", sa.Integer()), sa.column("what", sa.Text()), sa.column("at", sa.Time()))


def upgrade():
    op.execute(
        sa.text("INSERT INTO said (what) VALUES (:v), (:w)").bindparams(
            v="q'; DROP TABLE said; -- %\\ :z \t", w="%(v)s"
        )
    )
    op.execute(
        sa.text("INSERT INTO said (what, at, doc) VALUES (:what, :at, CAST(:doc AS jsonb))").bindparams(
            sa.bindparam("doc", None, type_=sa.Text()), what="typed", at=dt.time(1, 2, 3)
        )
    )
    op.execute(
        sa.text("INSERT INTO said (what) SELECT :a || ' ' || CAST(:b AS text) || ' ' || (:c)::date").bindparams(
            sa.bindparam("a", "x", type_=sa.Text()), b=5, c=dt.date(2024, 2, 29)
        )
    )
    op.execute(
        sa.text("UPDATE said SET at = '00:00' WHERE id IN :ids").bindparams(sa.bindparam("ids", [1, 2], expanding=True))
    )
    op.execute(
        sa.text("UPDATE said SET at = :at WHERE what = :what").bindparams(what="named", at=dt.time(23, 59, 59, 5))
    )
    op.execute(said.update().where(said.c.id.in_([3, 4])).values(at=dt.time(4, 4), what=said.c.what + " \\ %"))
    op.execute(said.insert().from_select(["what"], sa.select(sa.func.upper(said.c.what)).where(said.c.id == 5)))


def downgrade():
    op.execute(
        sa.text("DELETE FROM said WHERE what ~ :a OR what IN (:b, 'typed')").bindparams(
            a="DROP|2024-02|A IT", b="%(v)s"
        )
    )
    op.execute(said.update().where(said.c.id < 5).values(at=None))
    op.execute(sa.text("UPDATE said SET at = NULL WHERE what = :what").bindparams(what="named"))
    op.execute(
        said.update()
        .where(said.c.what.endswith(" \\ %", autoescape=True))
        .values(what=sa.func.replace(said.c.what, " \\ %", ""))
    )
