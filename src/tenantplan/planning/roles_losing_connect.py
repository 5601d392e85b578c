"""Roles that lose CONNECT on a database that others keep: it is revoked before such a role is dropped."""

from __future__ import annotations

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, sides


def purges(operation: Operation | None) -> bool:
    """Whether the operation drops something for good."""
    return operation is not None and operation.action == "delete" and not operation.retire


def roles_losing_connect(operation: Operation) -> list[str]:
    """Addresses of the roles that may not connect to a database any more after the operation."""
    before, after = sides(operation, Database)
    if before is None or after is None:
        return []
    gone = set(before.connect or ()) - set(after.connect or ())
    return [addresses.role(before.server, name) for name in sorted(gone)]
