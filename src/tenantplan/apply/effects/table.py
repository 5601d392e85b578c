"""Every kind of effect that an apply has: the only place that lists them."""

from __future__ import annotations

from typing import assert_never

from tenantplan.apply.effects import (
    database_drop,
    generated_passwords,
    migrate,
    packages,
    repair,
    rows,
    server_objects,
)
from tenantplan.apply.effects.effect import Alone, Together, TwoCommits
from tenantplan.journal.recover import Open
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Role, Row, Schema

ROW = Together(write=rows.write, happened=rows.happened, converged=rows.converged, catalog=False)
ROLE = Together(
    write=server_objects.write_role, happened=server_objects.role_happened, converged=server_objects.role_converged
)
DELIVERED_PASSWORD = TwoCommits(write=ROLE.write, happened=ROLE.happened, converged=ROLE.converged)
DATABASE = Together(write=server_objects.write_database)
DATABASE_DROP = Alone(perform=database_drop.drop)
MIGRATION = Alone(perform=migrate.performed)
REPAIR = Alone(perform=repair.performed, happened=repair.happened)
PACKAGE = Alone(perform=packages.performed, happened=packages.happened)


def effect(operation: Operation | Open) -> Together | Alone:
    """The effect of a planned operation, or of one that an interrupted run left open."""
    subject = operation.subject
    match subject:
        case Row():
            return ROW
        case Role():
            return DELIVERED_PASSWORD if _needs_two_commits(operation) else ROLE
        case Database():
            return DATABASE_DROP if operation.after is None and not operation.retire else DATABASE
        case Schema():
            return REPAIR if operation.action == "update" else MIGRATION
        case Package():
            return PACKAGE
        case _:
            assert_never(subject)


def _needs_two_commits(operation: Operation | Open) -> bool:
    return isinstance(operation, Operation) and generated_passwords.needs_two_commits(operation)
