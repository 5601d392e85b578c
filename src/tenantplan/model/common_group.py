"""Groups that no fleet owns: every fleet of a server gives its logins their rights by them, and the first one makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tenantplan.model.operation import Operation
from tenantplan.model.resource import Resource, Role, one


def makes_common_group(operation: Operation) -> bool:
    """Whether the operation makes such a group; those of one main database have rights or groups of their own."""
    after = one(operation.after, Role)
    return after is not None and operation.before is None and _is_common(after)


def created_since(operation: Operation, live: Mapping[str, Resource]) -> bool:
    """Whether the operation makes a common group that another fleet has made in the same way since it was planned."""
    have = live.get(operation.address)
    return makes_common_group(operation) and have is not None and have.managed and have == operation.after


def without_created(operations: Sequence[Operation], live: Mapping[str, Resource]) -> list[Operation]:
    """The operations that are left where common groups were made since, as they would be planned now."""
    made = {o.id for o in operations if created_since(o, live)}
    left = [o for o in operations if o.id not in made]
    return [replace(o, depends_on=tuple(i for i in o.depends_on if i not in made)) for o in left] if made else left


def _is_common(role: Role) -> bool:
    return role.holder is None and role.access is None and not (role.login or role.member_of)
