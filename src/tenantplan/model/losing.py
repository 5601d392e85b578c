"""Revisions of a plan that destroy what a live database holds."""

from __future__ import annotations

from collections.abc import Iterable

from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, afters


def losing_revisions(operations: Iterable[Operation]) -> tuple[str, ...]:
    """The revisions that take a person's word, each once, in how many databases it may run. Of a file that does not say which,
    all on the way of a destructive migration."""
    found: dict[tuple[str, str], None] = {}
    for operation, schema in afters(operations, Schema):
        if operation.action == "migrate" and operation.risk == "destructive":
            names = operation.revisions if operation.losing is None else operation.losing
            found |= dict.fromkeys((migration_tree(schema), name) for name in names)
    return tuple(name for _, name in found)


def migration_tree(schema: Schema) -> str:
    """The tree whose revisions a schema is at: tables of shared mode are made by that of the tenants."""
    return "main" if schema.tree == "main" else "tenant"
