"""What the audit log says of an operation, or of something else that happened."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.model import address as addresses
from tenantplan.model.audit import text
from tenantplan.model.encode import to_json
from tenantplan.model.operation import Operation


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be audited: an operation's effect, a connection attempt, an act of a person."""

    address: str
    action: str
    result: str
    organization: str | None = None
    before: str | None = None
    after: str | None = None
    detail: str | None = None


def connection_fact(operation: Operation, result: str, detail: str | None = None) -> Fact:
    """What the audit log says of an attempt to connect to the database an operation is for."""
    held = operation.owner
    return Fact(operation.address, "connect", result, organization=organization(held), detail=detail)


def organization(scope: str) -> str | None:
    """The organization or tenant that an entry of this scope is about, if it is about one."""
    return scope if addresses.has_placement(scope) else None


def fact(operation: Operation, result: str, detail: str | None = None) -> Fact:
    """What the audit log says of an operation; secrets stand in it as references with keyed hashes."""
    return Fact(
        address=operation.address,
        action=_audited_action(operation),
        result=result,
        organization=organization(operation.scope),
        before=text(to_json(operation.before)),
        after=text(to_json(operation.after)),
        detail=detail,
    )


def _audited_action(operation: Operation) -> str:
    special = {"retire": operation.retire, "adopt": operation.adopt, "restore": operation.restore}
    return next((name for name, is_so in special.items() if is_so), operation.action)
