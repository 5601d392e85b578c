"""The sentinel: an event trigger in a tenant database that marks its stamp when somebody else changes the schema."""

from __future__ import annotations

from importlib.resources import files

from tenantplan.postgres.connect import Connection


def place_sentinel(connection: Connection) -> bool:
    """Makes it in the connected database, in the current transaction, where the role may: only a superuser can."""
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        return False
    connection.execute(files(__package__).joinpath("sentinel.sql").read_bytes())
    return True
