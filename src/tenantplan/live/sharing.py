"""Shared mode as the main database keeps it: which roles use the tenant tables, and what would pass their division by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


@dataclass(frozen=True)
class Gap:
    """Something by which rows of another organization could be read or written: `rule` "setting" is a policy that reads the
    setting itself, every other is a gap for whoever uses the tables."""

    rule: str
    thing: str
    message: str


@dataclass(frozen=True)
class Sharing:
    """`access` maps roles to what they may do ("write", "read", "pool", "bound"); other words say that they have not the
    rights for it. `bound` maps roles to the id of their organization."""

    access: Mapping[str, str] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()


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
