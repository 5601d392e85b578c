"""What is encrypted in the main database, by key."""

from __future__ import annotations

from tenantplan.postgres.connect import Connection


def read_keys(connection: Connection) -> dict[str, int]:
    """How many values are encrypted under each key, by its id."""
    rows = connection.execute("SELECT key_id, count(*) FROM tenantplan.credentials GROUP BY 1 ORDER BY 1").fetchall()
    return {str(key_id): int(count) for key_id, count in rows}
