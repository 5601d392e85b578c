"""Runs this tree on the database of -x url=postgresql://… or DATABASE_URL; with --sql, writes it."""

import os

import sqlalchemy as sa
from alembic import context


def run_migrations_offline() -> None:
    context.configure(dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    address = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
    engine = sa.create_engine(sa.make_url(address).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=None, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
