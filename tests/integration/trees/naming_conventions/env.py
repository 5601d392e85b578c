"""Runs this tree on the database of -x url=postgresql://… or DATABASE_URL."""

import os

import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

address = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
url = sa.make_url(address).set(drivername="postgresql+psycopg")
with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
