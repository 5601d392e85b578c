"""Which operations may run now, and which wait for a change window or the end of a freeze. PURE: `now` is an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from tenantplan.model import address as addresses
from tenantplan.model.moment import iso_utc
from tenantplan.model.operation import Operation
from tenantplan.model.resource import State
from tenantplan.model.window import Deferral, Freeze, Rules, Window, fits
from tenantplan.planning.order import Labels

CLOSED = "change window"


def restricted(
    operations: Sequence[Operation], labels: Labels, rules: Rules, now: datetime, live: Labels | None = None
) -> tuple[tuple[Operation, ...], tuple[Deferral, ...]]:
    """The operations that may run `now`, and the others, each with the earliest time at which it may; both in order.

    A freeze keeps every operation, a closed window those that are not safe; what waits keeps all that depends on it.
    `labels` are those of `labels_of_scopes`, `live` those that the scopes have before the operations: what runs is allowed
    by both, so that a change of labels, tier or mode does not lift the restriction under which it is made itself.
    """
    opening = _openings(rules, now)
    waits: dict[str, _Wait] = {}
    for operation in operations:  # dependencies come first, so one pass is enough
        sides = (labels, live) if live is not None and operation.scope in live else (labels,)
        own = [opening(_windows(operation, side, rules), _frozen(operation, side, rules)) for side in sides]
        found = [replace(wait, root=operation.address) for wait in own if wait]
        found += [waits[d] for d in operation.depends_on if d in waits]
        if found:
            waits[operation.id] = max(found, key=lambda wait: wait.until)
    permitted = tuple(o for o in operations if o.id not in waits)
    return permitted, tuple(_deferral(o, waits[o.id]) for o in operations if o.id in waits)


def labels_of_scopes(
    operations: Sequence[Operation], labels: Labels, state: State, rules: Rules
) -> dict[str, dict[str, str]]:
    """The labels that `rules` ask for, by scope of the operations: an organization's; of a tenant, its organization's.

    `state` is where tenants are looked up. Scopes without such labels are left out.
    """
    keys = rules.keys
    found: dict[str, dict[str, str]] = {}
    for scope in dict.fromkeys(operation.scope for operation in operations):
        owner = addresses.organization_of(scope, state)
        asked = {key: value for key, value in labels.get(owner, {}).items() if key in keys}
        if asked:
            found[scope] = asked
    return found


@dataclass(frozen=True)
class _Wait:
    """Until when something waits, why, by which zone's clock, and the address of what has to."""

    until: datetime
    zone: str
    why: str
    root: str = ""


def _windows(operation: Operation, labels: Labels, rules: Rules) -> tuple[int, ...]:
    """Which of the windows an operation needs: its organization's own, else those for all."""
    if operation.risk == "safe":
        return ()
    mine = labels.get(operation.scope, {})
    own = tuple(i for i, window in enumerate(rules.windows) if fits(window.selector, mine))
    return own or tuple(i for i, window in enumerate(rules.windows) if not window.selector)


def _frozen(operation: Operation, labels: Labels, rules: Rules) -> bool:
    return rules.freeze is not None and not fits(rules.freeze.spared, labels.get(operation.scope, {}))


def _openings(rules: Rules, now: datetime) -> Callable[[tuple[int, ...], bool], _Wait | None]:
    """The wait of what needs one of some windows, None when it may run now; each found once, however large the fleet."""

    @cache
    def opening(windows: tuple[int, ...], frozen: bool) -> _Wait | None:
        return _wait([rules.windows[i] for i in windows], rules.freeze if frozen else None, now)

    return opening


def _wait(windows: Sequence[Window], freeze: Freeze | None, now: datetime) -> _Wait | None:
    moment, found = now, None
    for _ in range(2):  # a window may open in a freeze that has not begun yet
        if freeze is not None and freeze.holds(moment):
            moment = freeze.until
            found = _Wait(moment, "UTC", found.why if found else f"freeze: {freeze.reason}")
        opens, zone = min(((w.opening(moment), w.zone) for w in windows), default=(moment, ""))
        if opens > moment:
            moment = opens
            found = _Wait(moment, zone, found.why if found else CLOSED)
    return found


def _deferral(operation: Operation, wait: _Wait) -> Deferral:
    why = wait.why if wait.root == operation.address else f"waits for {wait.root}"
    until = iso_utc(wait.until)
    return Deferral(operation.address, operation.action, operation.summary, until, wait.zone, why)
