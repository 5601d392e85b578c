"""The contents of a database: rows of its tables, positions of its sequences, large objects."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from tenantplan.postgres import guard
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

# The number of rows, and a sum over their hashes: equal for the same rows in any order. Each row is hashed as text, which is
# why the settings that decide how values are printed are pinned.
_TABLE = (
    "SELECT count(*) || ' rows, ' || coalesce(sum(('x' || encode(substr(sha256(convert_to(t::text, 'UTF8')), 1, 8), 'hex'))"
    "::bit(64)::bigint::numeric), 0) FROM ONLY {name} t"
)
_SEQUENCE = "SELECT last_value || CASE WHEN is_called THEN ', called' ELSE '' END FROM {name}"
_PINNED = "SET LOCAL row_security = off; SET LOCAL intervalstyle = postgres; SET LOCAL bytea_output = hex"


def contents(connection: Connection) -> dict[str, str]:
    """What each table, sequence and all large objects of the connected database hold, by "table public.donors" and the like.

    Raises CodeOfOthers before any row is read where there is code of others.
    """
    with connection.transaction(force_rollback=True):
        guard.enter(connection, statement_timeout=guard.TIMEOUT)
        connection.execute(_PINNED)
        found = {}
        for schema, name, kind, readable in connection.execute(query("holders")).fetchall():
            label = f"{'sequence' if kind == 'S' else 'table'} {schema}.{name}"
            text = sql.SQL(_SEQUENCE if kind == "S" else _TABLE).format(name=sql.Identifier(schema, name))
            row = connection.execute(text).fetchone() if readable else None
            found[label] = row[0] if row else "cannot be read"
        row = connection.execute("SELECT count(*)::text FROM pg_largeobject_metadata").fetchone()
        return {**found, "large objects": row[0] if row else ""}


def changed(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """Sentences about what holds something else than expected."""
    names = sorted(expected.keys() | actual.keys())
    return [
        f"{name} holds {_counted(actual.get(name))}, and held {_counted(expected.get(name))} when it was built"
        for name in names
        if expected.get(name) != actual.get(name)
    ]


def _counted(text: str | None) -> str:
    """Without the hash, unless there is nothing else."""
    return text.partition(" rows, ")[0] + " rows" if text and " rows, " in text else text or "nothing"
