"""Connection strings of databases that organizations bring: tested again right before they are saved."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.apply.blame import blame
from tenantplan.apply.context import Run
from tenantplan.errors import TenantplanError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, sides

_COLUMNS = ("database_url", "database_connection")


def saves_connection(operation: Operation) -> str | None:
    """The reference of the connection string that an operation saves, new or changed; None when it saves none."""
    before, after = sides(operation, Row)
    if after is None or not after.values.get("database_url"):
        return None
    had = before.values if before is not None else {}
    changed = any(after.values.get(column) != had.get(column) for column in _COLUMNS)
    return str(after.values["database_url"]) if changed else None


def try_connections(run: Run, operations: Sequence[Operation]) -> list[Operation]:
    """Those of the operations that save a connection string, each of which works; else its error, with the `operation`."""
    tried = []
    for operation in operations:
        reference = saves_connection(operation)
        if reference is None:
            continue
        try:
            run.try_connection(operation.address, reference)
        except TenantplanError as error:
            blame(error, operation)
            raise
        tried.append(operation)
    return tried
