"""Runs the main tree with Alembic itself; tenantplan does not need this file.

    alembic -c migrations/main/alembic.ini -x url=postgresql://… upgrade head

Without -x url the variable DATABASE_URL is used.
"""

import os

import sqlalchemy as sa
from alembic import context

arguments = context.get_x_argument(as_dictionary=True)
address = arguments.get("url") or os.environ.get("DATABASE_URL")
if not address and not context.is_offline_mode():
    raise SystemExit("Which database? Give -x url=postgresql://… or set DATABASE_URL.")

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    url = sa.make_url(address).set(drivername="postgresql+psycopg")
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
