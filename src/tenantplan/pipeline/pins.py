"""Databases that a document keeps at a revision: what a reviewer should know, and where a pin cannot be kept."""

from __future__ import annotations

from collections.abc import Iterable

from tenantplan.migration.trees import Trees
from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Schema, afters, of_type, one


def pinned(desired: Desired, trees: Trees) -> list[Finding]:
    """A note for each database that stays at another revision than the newest one."""
    graph = trees.tenant
    return [
        Finding(
            schema.holder or address,
            "pinned",
            f"its database stays at {schema.revision} (database.revision), {len(graph.path(schema.revision, graph.head))} behind"
            f" {graph.head}: without that line it is migrated forward",
        )
        for address, schema in of_type(desired.state, Schema).items()
        if schema.tree == "tenant" and schema.revision != graph.head
    ]


def pinned_from_the_start(changes: Iterable[Change], desired: Desired, trees: Trees) -> list[Finding]:
    """A blocker for each database that is to be made and pinned at once: it would be a copy of the newest template."""
    found = []
    for change, made in afters(changes, Database):
        if change.before is not None or made.holder is None:
            continue
        schema = one(desired.state.get(addresses.schema(made.server, made.name)), Schema)
        if schema is not None and schema.revision != trees.tenant.head:
            message = (
                f"its database will be created at {trees.tenant.head}, and to stay at {schema.revision}:"
                " apply without database.revision first, then tenantplan migrations revert takes it there"
            )
            found.append(Finding(made.holder, "pinned", message))
    return found
