"""The order operations run in: dependencies first, and otherwise always the same."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding

_KIND = {"main": 0, "fleet": 1}


def order(operations: Iterable[Operation]) -> tuple[tuple[Operation, ...], list[Finding]]:
    """The operations so that each comes after all it depends on, ties by scope, then address; and a blocker for each that
    cannot, since live rows refer to each other in a circle."""
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
    stuck = sorted(by_id[i].address for i, needed in waiting.items() if needed)
    message = f"waits for itself, through rows that refer to each other: {', '.join(stuck[:5])}. Set one reference to NULL by hand"
    return tuple(result), [Finding(address, "circle", message) for address in stuck]


def _key(operation: Operation) -> tuple[int, str, str, str]:
    return (_KIND.get(operation.scope, 2), operation.scope, operation.address, operation.id)
