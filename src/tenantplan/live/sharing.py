"""Shared mode as the main database keeps it: which roles use the tenant tables, and what would pass their division by."""

from __future__ import annotations

from collections.abc import Collection

from tenantplan.model.live import Gap, Sharing
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


def read_sharing(connection: Connection, tables: Collection[str], used: bool = True) -> Sharing:
    """What the catalog of the main database says; `tables` are those that it has ("schema.table"). Where the shared tables are
    not `used` by anybody, gaps are not looked for."""
    if "tenantplan.shared_roles" not in tables:
        return Sharing()
    divided = [row[0] for row in connection.execute(query("divided_tables")).fetchall()]
    found = connection.execute(query("shared_roles"), {"divided": divided}).fetchall()
    gaps = connection.execute(query("isolation_gaps"), {"divided": divided}).fetchall() if used else []
    return Sharing(
        {name: access if whole else f"{access}, in part" for name, access, _, whole in found},
        {name: organization for name, _, organization, _ in found if organization is not None},
        tuple(Gap(*row) for row in gaps),
    )
