"""The rights that a role needs to apply a plan. Planning needs nothing of it."""

from __future__ import annotations

from collections.abc import Iterable

from tenantplan.model.operation import Operation
from tenantplan.model.resource import server_object


def makes_on(operations: Iterable[Operation]) -> set[str]:
    """The servers on which operations make, change or drop databases and roles."""
    return {o.server for o in operations if server_object(o.subject) is not None}


def missing_rights(role: str, createdb: bool, createrole: bool) -> str | None:
    """What a role lacks to create databases and roles, and how it gets that: apply would stop halfway. None: nothing."""
    missing = [name for name, has in (("CREATEDB", createdb), ("CREATEROLE", createrole)) if not has]
    if not missing:
        return None
    granted = f"ALTER ROLE {role} {' '.join(missing)}"
    return f"the role {role} lacks {' and '.join(missing)}; a superuser grants it: {granted}"
