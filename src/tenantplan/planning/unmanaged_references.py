"""Rows of the application that operations refer to: what apply has to know to find them again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Resource, Row


def left_alone(aside: Collection[str], operations: Iterable[Operation], desired: Desired) -> dict[str, Row]:
    """The rows of `aside` that operations refer to or are nested in, by address; of each its key and its name only."""
    found: dict[str, Row] = {}
    waiting = [address for operation in operations for address in _needs(operation.address, operation.after)]
    while waiting:
        address = waiting.pop()
        row = desired.state.get(address)
        if address in aside and address not in found and isinstance(row, Row):
            rowtype = desired.tables[row.table]
            columns = {*rowtype.identity, rowtype.name} & row.values.keys()
            found[address] = Row(row.table, {column: row.values[column] for column in sorted(columns)})
            waiting += _needs(address, found[address])
    return dict(sorted(found.items()))


def _needs(address: str, resource: Resource | None) -> Iterable[str]:
    above = addresses.document(address)
    referred = resource.references.values() if isinstance(resource, Row) else ()
    return [*([above] if above != address else []), *referred]
