"""Update packages that were stored, as the main database remembers them; the store itself is not asked."""

from __future__ import annotations

from tenantplan.model import address
from tenantplan.model.resource import Package, State
from tenantplan.postgres.connect import Connection


def read_packages(connection: Connection, fleet: str) -> State:
    """The packages of a fleet by address."""
    rows = connection.execute(
        "SELECT holder, version, store, key, size, sha256, managed_by = %s,"
        " to_char(retired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM tenantplan.packages",
        [fleet],
    ).fetchall()
    return {
        address.package(version): Package(
            version, store, key, size, sha256, holder=holder, managed=managed, retired_at=retired
        )
        for holder, version, store, key, size, sha256, managed, retired in rows
    }
