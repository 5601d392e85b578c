"""Runs this tree on the database of -x url=postgresql://… or DATABASE_URL, with what people put around it."""

import os

import psycopg
import sqlalchemy as sa
from alembic import context

address = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
url = sa.make_url(address).set(drivername="postgresql+psycopg")
as_psycopg2_does = {"cursor_factory": psycopg.ClientCursor}
with sa.create_engine(url, poolclass=sa.NullPool, connect_args=as_psycopg2_does).connect() as connection:
    connection.execute(sa.text("SET statement_timeout = 60000"))
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        connection.execute(sa.text("SELECT pg_advisory_lock(hashtext('alembic'))"))
        context.run_migrations()
        context.get_bind().commit()
        connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext('alembic'))"))
