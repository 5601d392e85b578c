"""Runs this tree on the database of -x url=postgresql://… or DATABASE_URL."""

import os

import sqlalchemy as sa
from alembic import context

address = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
url = sa.make_url(address).set(drivername="postgresql+psycopg")
with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
