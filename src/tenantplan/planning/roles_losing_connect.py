"""Roles that lose CONNECT on a database that others keep: it is revoked before such a role is dropped."""

from __future__ import annotations

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database


def purges(operation: Operation | None) -> bool:
    """Whether the operation drops something for good."""
    return operation is not None and operation.action == "delete" and not operation.retire


def roles_losing_connect(operation: Operation) -> list[str]:
    """Addresses of the roles that may not connect to a database any more after the operation."""
    before, after = operation.before, operation.after
    if not (isinstance(before, Database) and isinstance(after, Database)):
        return []
    gone = set(before.connect or ()) - set(after.connect or ())
    return [addresses.role(before.server, name) for name in sorted(gone)]
