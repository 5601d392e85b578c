"""The order operations run in: dependencies first, and otherwise always the same."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from tenantplan.errors import TenantplanError
from tenantplan.model.operation import Operation

_KIND = {"main": 0, "fleet": 1}


def order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations so that each comes after all it depends on; ties by scope, then address. Ids name them."""
    by_id = {operation.id: operation for operation in operations}
    waiting = {i: {d for d in operation.depends_on if d in by_id} for i, operation in by_id.items()}
    followers: dict[str, list[str]] = {}
    for identifier, needed in waiting.items():
        for other in needed:
            followers.setdefault(other, []).append(identifier)
    ready = [_key(by_id[i]) for i, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    result: list[Operation] = []
    while ready:
        identifier = heapq.heappop(ready)[-1]
        result.append(by_id[identifier])
        for follower in followers.get(identifier, ()):
            waiting[follower].discard(identifier)
            if not waiting[follower]:
                heapq.heappush(ready, _key(by_id[follower]))
    if len(result) != len(by_id):
        stuck = sorted(by_id[i].address for i, needed in waiting.items() if needed)
        raise TenantplanError(
            f"operations wait for each other: {', '.join(stuck[:5])}", hint="this is a bug; please report it"
        )
    return tuple(result)


def _key(operation: Operation) -> tuple[int, str, str, str]:
    return (_KIND.get(operation.scope, 2), operation.scope, operation.address, operation.id)
