"""What is encrypted in the main database, by key."""

from __future__ import annotations

from tenantplan.postgres.connect import Connection
from tenantplan.secrets.box import CredentialPlace, Refused
from tenantplan.secrets.keyed import keyed_hash


def read_keys(connection: Connection) -> dict[str, int]:
    """How many values are encrypted under each key, by its id."""
    rows = connection.execute("SELECT key_id, count(*) FROM tenantplan.credentials GROUP BY 1 ORDER BY 1").fetchall()
    return {str(key_id): int(count) for key_id, count in rows}


def verified(connection: Connection, place: CredentialPlace, stored: bytes, hash_key: str) -> str:
    """The keyed hash of the value in a place; Refused when what is stored there is not what tenantplan stored last."""
    row = connection.execute(
        "SELECT value_hash, stored_hash FROM tenantplan.credentials"
        " WHERE relation = %s AND row_id = %s AND column_name = %s",
        [place.relation, place.row_id, place.column],
    ).fetchone()
    if row is None or keyed_hash(hash_key, stored.hex()) != row[1]:
        raise Refused("what is stored is not what tenantplan stored: it was changed, moved or put back by hand")
    return str(row[0])
