"""The audit log as stored: entries found by what they are about, and the whole chain in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from tenantplan.errors import TenantplanError
from tenantplan.model.audit import GENESIS, Anchor, AuditEntry, Head, Link, broken_at
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


@dataclass(frozen=True)
class Verified:
    """The sequence and hash of the last entry, and where the log is broken and why (None: it is whole)."""

    entries: int
    last: str
    broken: tuple[int, str] | None


def find_entries(connection: Connection, conditions: Conditions, limit: int = 1) -> list[Link]:
    """The newest entries that fit all conditions, newest first."""
    return [_link(row) for row in connection.execute(query("audit_found"), asdict(conditions) | {"limit": limit})]


def verify(connection: Connection, anchors: Iterable[Anchor] = ()) -> Verified:
    """The chain of hashes computed again from the first entry to the last, in one snapshot, and compared with its head."""
    entries, last = 0, GENESIS

    def watched() -> Iterator[Link]:
        nonlocal entries, last
        for link in read_entries(connection, Conditions()):
            entries, last = link.entry.sequence, link.hash
            yield link

    with snapshot(connection):
        broken = broken_at(watched(), anchors)
        sequence, head = _read_head(connection)
    if broken is None and (sequence, head) != (entries, last):
        said = f"the log ends at entry {entries}, but its head says {sequence}: it was cut or written to by hand"
        broken = (min(sequence, entries) + 1, said)
    return Verified(entries, last, broken)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """A transaction that sees the log as it is now, however long it is read."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def read_entries(connection: Connection, conditions: Conditions) -> Iterator[Link]:
    """The entries that fit all conditions, in order, in batches, of the snapshot that the caller's transaction sees."""
    if conditions == Conditions():
        return _in_order(connection, query("audit_entries"), {})
    found = b"SELECT * FROM (" + query("audit_found") + b") found ORDER BY sequence"
    return _in_order(connection, found, asdict(conditions) | {"limit": None})


def _in_order(connection: Connection, statement: bytes, parameters: dict[str, object]) -> Iterator[Link]:
    with connection.cursor(name="audit_chain") as cursor:
        cursor.itersize = BATCH
        for row in cursor.execute(statement, parameters):
            yield _link(row)


def _read_head(connection: Connection) -> tuple[int, str]:
    """Sequence and hash of the newest entry, as the head row says."""
    row = connection.execute("SELECT sequence, hash FROM tenantplan.audit_head WHERE id = 1").fetchone()
    return (0, "") if row is None else (row[0], row[1])


def read_anchor(connection: Connection, fleet: str) -> Head:
    """The head as the log itself says it; TenantplanError when the head row, or its own content, says something else."""
    newest = find_entries(connection, Conditions())
    last = (newest[0].entry.sequence, newest[0].hash) if newest else (0, GENESIS)
    if last != _read_head(connection) or any(link.entry.hash_after(link.previous_hash) != link.hash for link in newest):
        raise TenantplanError(
            "the newest entry of the audit log is not what its head says: it was cut or written to by hand",
            hint="see where: tenantplan audit verify",
        )
    system, database, at = connection.execute(query("audit_place")).fetchone() or ("", "", "")
    return Head(fleet, system, database, *last, at)


def _link(row: tuple) -> Link:  # type: ignore[type-arg]
    *values, previous_hash, own_hash = row
    return Link(AuditEntry(*values), previous_hash, own_hash)
