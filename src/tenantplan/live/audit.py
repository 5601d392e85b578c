"""The audit log as stored: entries found by what they are about, and the whole chain in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from tenantplan.model.audit import Entry, Link
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

BATCH = 2000  # entries of the chain in memory at once


@dataclass(frozen=True)
class Conditions:
    """What an entry has to fit; None fits all.

    `organization` is its name, `address` finds what is nested in it too, `document` only that ("team/web"), `user` who did
    it (a part of the name or address will do) or whom it is about, `run` is found by its beginning.
    """

    sequence: int | None = None
    organization: str | None = None
    address: str | None = None
    document: str | None = None
    user: str | None = None
    action: str | None = None
    run: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def find_entries(connection: Connection, conditions: Conditions, limit: int = 1) -> list[Link]:
    """The newest entries that fit all conditions, newest first."""
    return [_link(row) for row in connection.execute(query("audit_found"), asdict(conditions) | {"limit": limit})]


def read_chain(connection: Connection) -> Iterator[Link]:
    """Every entry in order, in batches, of the snapshot that the caller's transaction sees."""
    with connection.cursor(name="audit_chain") as cursor:
        cursor.itersize = BATCH
        for row in cursor.execute(query("audit_entries")):
            yield _link(row)


def read_head(connection: Connection) -> tuple[int, str]:
    """Sequence and hash of the newest entry, as the head row says."""
    row = connection.execute("SELECT sequence, hash FROM tenantplan.audit_head WHERE id = 1").fetchone()
    return (0, "") if row is None else (row[0], row[1])


def _link(row: tuple) -> Link:  # type: ignore[type-arg]
    *values, previous_hash, own_hash = row
    return Link(Entry(*values), previous_hash, own_hash)
