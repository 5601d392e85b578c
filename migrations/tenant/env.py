"""Runs the tenant tree with Alembic itself; tenantplan does not need this file.

    alembic -c migrations/tenant/alembic.ini -x url=postgresql://… upgrade head
    alembic -c migrations/tenant/alembic.ini -x url=postgresql://… -x shared=true upgrade head   (main database)

Without -x url the variable DATABASE_URL is used.
"""

import os
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import context

sys.path.insert(0, str(Path(__file__).parent))  # revisions import tenancy.py

arguments = context.get_x_argument(as_dictionary=True)
shared = arguments.get("shared", "false").lower() == "true"
options = {"shared": shared, "version_table": "alembic_version_tenant" if shared else "alembic_version"}
address = arguments.get("url") or os.environ.get("DATABASE_URL")
if not address and not context.is_offline_mode():
    raise SystemExit("Which database? Give -x url=postgresql://… or set DATABASE_URL.")

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    url = sa.make_url(address).set(drivername="postgresql+psycopg")
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
