"""more ways

Revision ID: b3
Revises: b2
"""

import datetime as dt

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b3"
down_revision = "b2"
branch_labels = None
depends_on = None


def upgrade():
    labels = op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(60), nullable=False, unique=True),
        sa.Column("weight", sa.Integer(), default=3, onupdate=9),
        sa.Column("rank", sa.Integer(), default=lambda: 7),
        sa.Column("note", sa.Text(), server_default="none"),
        sa.Column("due", sa.Date()),
    )
    # What a later row has beside the first one's keys is left out by SQLAlchemy.
    op.bulk_insert(labels, [{"name": "one"}, {"name": "two", "note": "left out"}])
    op.bulk_insert(
        labels,
        [
            {"name": "three", "due": sa.func.make_date(2020, 1, 2), "note": op.inline_literal("50% :literal")},
            {"name": "four", "due": dt.date(2021, 3, 4), "weight": 4},
        ],
        multiinsert=False,
    )
    op.execute(labels.insert().values([{"name": "five", "weight": 5}, {"name": "six", "weight": 6}]))
    op.execute(labels.insert().values(name="seven"))
    op.execute(
        sa.insert(labels).from_select(["name", "weight"], sa.select(labels.c.name + "-copy", 0).where(labels.c.id < 3))
    )
    upsert = postgresql.insert(labels).values(name="two", note="won")
    op.execute(upsert.on_conflict_do_update(index_elements=["name"], set_={"note": upsert.excluded.note}))
    op.execute(
        labels.update().where(labels.c.name.in_(["five", "six"])).values(note="it's; 5%", due=dt.date(2022, 5, 6))
    )
    op.execute(
        labels.update()
        .values(rank=sa.case((labels.c.weight > 4, 1), else_=labels.c.rank))
        .where(labels.c.due.is_not(None))
    )
    op.execute(
        labels.delete().where(labels.c.name.like("%-copy"), labels.c.weight == 0, ~labels.c.name.in_(["one-copy"]))
    )


def downgrade():
    op.drop_table("labels")
