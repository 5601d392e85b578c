"""Deletions that cascade, whether a document names the rows or not: the projects of an organization.

PURE. A tenant is not taken along: it may have a database of its own, and its document says what becomes of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Resource, Row, of_type, one
from tenantplan.model.rowtype import Tables


def cascades(have: Resource, tables: Tables, deleted: Set[str]) -> bool:
    """Whether it is a row of one of `deleted` that is kept for a grace period and has no database of its own."""
    row = one(have, Row)
    if row is None or row.home not in deleted:
        return False
    rowtype = tables[row.table]
    return bool(rowtype.retired) and "database_mode" not in rowtype.columns


def cascade_notes(operations: Iterable[Operation]) -> list[Finding]:
    """A note for each row that is deleted since what it belongs to is."""
    deleted = {o.address: o.before for o in operations if o.action == "delete" and o.retire}
    return [
        Finding(address, "taken-along", f"goes with {row.home}, which says state: deleted")
        for address, row in of_type(deleted, Row).items()
        if row.home in deleted
    ]
