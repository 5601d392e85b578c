"""Which operation of several an error is about: a transaction is everybody's, the fault is one's."""

from __future__ import annotations

from tenantplan.model.operation import Operation

_OPERATION = "tenantplan_operation"


def blame(error: Exception, operation: Operation) -> None:
    """Notes on an error of psycopg or of tenantplan which operation it is about."""
    setattr(error, _OPERATION, operation)


def blamed(error: Exception) -> Operation | None:
    """The operation that an error is about; None where nothing says so."""
    found = getattr(error, _OPERATION, None)
    return found if isinstance(found, Operation) else None
