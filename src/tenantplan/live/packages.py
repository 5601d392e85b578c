"""Update packages that were stored, as the main database remembers them; the store itself is not asked."""

from __future__ import annotations

from psycopg import sql

from tenantplan.model import address
from tenantplan.model.resource import Package, State
from tenantplan.postgres.columns import timestamp
from tenantplan.postgres.connect import Connection


def read_packages(connection: Connection, fleet: str) -> State:
    """The packages of a fleet by address."""
    statement = sql.SQL(
        "SELECT holder, version, store, key, size, sha256, managed_by = %s, {} FROM tenantplan.packages"
    ).format(timestamp("retired_at"))
    rows = connection.execute(statement, [fleet]).fetchall()
    return {
        address.package(version): Package(
            version, store, key, size, sha256, holder=holder, managed=managed, retired_at=retired
        )
        for holder, version, store, key, size, sha256, managed, retired in rows
    }
