"""The order operations run in: dependencies first, and otherwise always the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tenantplan.model.address import FLEET
from tenantplan.model.dependencies import dependencies_first
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.planning.dependencies import MAIN_SCOPE

_KIND = {"main": 0, "fleet": 1}


def order(operations: Iterable[Operation]) -> tuple[tuple[Operation, ...], list[Finding]]:
    """The operations so that each comes after all it depends on, ties by scope, then address; and a blocker for each that
    cannot, since live rows refer to each other in a circle."""
    by_id = {operation.id: operation for operation in operations}
    needs = {i: [d for d in operation.depends_on if d in by_id] for i, operation in by_id.items()}
    ids = list(dependencies_first(needs, lambda i: _rank(by_id[i])))
    stuck = sorted(by_id[i].address for i in needs.keys() - ids)
    message = f"waits for itself, through rows that refer to each other: {', '.join(stuck[:5])}. Set one reference to NULL by hand"
    return tuple(by_id[i] for i in ids), [Finding(address, "circle", message) for address in stuck]


def _rank(operation: Operation) -> tuple[int, str, str]:
    return (_KIND.get(operation.scope, 2), operation.scope, operation.address)


Labels = Mapping[str, Mapping[str, str]]


def assign_waves(
    operations: Sequence[Operation],
    labels: Labels,
    canary: Mapping[str, str],
    batch: int | None,
    live: Labels | None = None,
) -> tuple[Operation, ...]:
    """The operations, in their order, each with its wave: never earlier than that of one it depends on.

    `canary` are labels that an organization of the first wave has, or had before these operations (`live`), so that what takes
    the label away is still tried there first; empty: there is no canary wave. `batch` is how many organizations and tenants a
    later wave holds; None: all of them.
    """
    waves = _waves_of_scopes(operations, (labels, live or {}), canary, batch)
    found: dict[str, int] = {}
    for operation in operations:  # dependencies come first, so one pass is enough
        needed = (found[d] for d in operation.depends_on if d in found)
        found[operation.id] = max(waves[operation.scope], *needed, 0)
    return tuple(replace(operation, wave=found[operation.id]) for operation in operations)


def _waves_of_scopes(
    operations: Sequence[Operation], sides: Sequence[Labels], canary: Mapping[str, str], batch: int | None
) -> dict[str, int]:
    scopes = list(dict.fromkeys(operation.scope for operation in operations))
    held = [scope for scope in scopes if scope not in (MAIN_SCOPE, FLEET)]
    first = [s for s in held if canary and any(canary.items() <= side.get(s, {}).items() for side in sides)]
    rest = [scope for scope in held if scope not in set(first)]
    start = 2 if first else 1
    batches = {scope: start + position // (batch or len(rest)) for position, scope in enumerate(rest)}
    return {MAIN_SCOPE: 0, FLEET: 0, **dict.fromkeys(first, 1), **batches}
