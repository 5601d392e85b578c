"""Notes about revisions that destroy data and take no word, since their authors allow it where the fleet file lets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tenantplan.model.losing import LOSSES, migration_tree
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Schema
from tenantplan.model.step import Migration


def allowed_losses(operations: Iterable[Operation], migrations: Mapping[str, Migration]) -> Iterator[Finding]:
    """A note for each such revision of the operations, once: what it destroys is never done without a line in the plan."""
    told: set[str] = set()
    for operation in operations:
        if operation.action != "migrate" or not isinstance(operation.after, Schema):
            continue
        for revision, why in migrations.get(operation.address, Migration()).allowed:
            address = f"migrations/{migration_tree(operation.after)}/{revision}"
            if address not in told:
                told.add(address)
                yield Finding(
                    address, LOSSES, f"destroys data, which its comment allows (guard.destructiveComment): {why}"
                )
