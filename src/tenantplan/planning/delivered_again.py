"""Generated secrets of renamed rows: their targets have them under the old name, and are to get them under the new one.

PURE. The rename leaves a mark in the row, in its own transaction (apply/effects/row_secrets.py); a plan takes it for done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tenantplan.model import address as addresses
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Resource, Row, one
from tenantplan.model.rowtype import DELIVERED, ON_ITS_WAY
from tenantplan.tables import BUILTIN


def undelivered(resource: Resource) -> Resource:
    """A row that moves, as its rename leaves it; anything else as it is."""
    row = one(resource, Row)
    if row is None or row.table not in BUILTIN:
        return resource
    found = {
        column: f"{ON_ITS_WAY}{target}"
        for column, target in row.values.items()
        if column.endswith(DELIVERED) and target not in (None, MAIN_TARGET) and not target.startswith(ON_ITS_WAY)
    }
    return replace(row, values={**row.values, **found}) if found else row


def renamed_first(operation: Operation, by_address: Mapping[str, Operation]) -> list[Operation]:
    """The rename that has a nested row's secret delivered again: it leaves the mark that this operation expects to find."""
    document, row = by_address.get(addresses.document(operation.address)), one(operation.before, Row)
    if document is None or document.renamed_from is None or row is None:
        return []
    said = (v for c, v in row.values.items() if c.endswith(DELIVERED) and isinstance(v, str))
    return [document] if any(value.startswith(ON_ITS_WAY) for value in said) else []
