"""Plans saved with --per-tenant: organizations and tenants that have changed since are skipped, the rest runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from tenantplan.apply import freshness
from tenantplan.apply.context import Run
from tenantplan.apply.work import Work
from tenantplan.errors import PlanRefused
from tenantplan.journal import record
from tenantplan.model.address import has_placement
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Schema, afters
from tenantplan.postgres.connect import Connection

_NAMED = 5
_CHANGED = "changed after the plan was made"
_FIRST = 1  # the wave of the canary; what all share is before it
_NO_CANARY = f"waits for the first wave: all of it, or all of its migrations, {_CHANGED}"


def left_untouched(work: Work, done: set[str], live: Survey, begun: Collection[str]) -> dict[str, str]:
    """The operations of a plan made per tenant that must not run, by id, and why; none of another plan.

    PlanRefused where what the fleet shares has changed, or nothing is left to run.
    """
    plan = work.plan
    if not plan.per_tenant:
        return {}
    changed = _changed(work, done, live, begun)
    shared = [o.address for o in changed if not has_placement(o.scope)]
    held = _held(plan, done, changed)
    if work.settings.spec.rollout.canary:
        held |= _without_canary(plan, done, held)
    if shared or (held and all(o.id in done or o.id in held for o in plan.operations)):
        names = sorted(set(shared or [o.address for o in changed]))
        raise PlanRefused(f"{_CHANGED}: {some(names, _NAMED)}", hint=freshness.STALE)
    return held


def stale_outcomes(
    run: Run, main: Connection, operations: Sequence[Operation], reasons: Mapping[str, str]
) -> list[Outcome]:
    """Records what was left untouched: by organization, what changed is audited as stale, and all of it counts as that."""
    found: list[Outcome] = []
    for scope, group in groupby(sorted(operations, key=lambda o: o.scope), key=lambda o: o.scope):
        listed = list(group)
        if has_placement(scope):
            guilty = next((o for o in listed if reasons[o.id] == _CHANGED), listed[0])
            record.failed(run.author, main, guilty, "stale", reasons[guilty.id], connected=True)
        found += [Outcome(o, "stale" if has_placement(scope) else "skipped", reasons[o.id]) for o in listed]
    return found


def _changed(work: Work, done: set[str], live: Survey, begun: Collection[str]) -> list[Operation]:
    """Operations that do not find what the plan saw, or whose effect was changed since an interrupted apply of it."""
    fresh = [*freshness.stale(work.plan, done, live, begun), *freshness.other_secrets(work, done, live)]
    left = {o.scope for o in work.plan.operations if o.id not in done}
    undone = [o for o in freshness.taken_back(work.plan, done, live) if o.scope in left or not has_placement(o.scope)]
    return [*fresh, *undone]


def _held(plan: Plan, done: Collection[str], changed: Sequence[Operation]) -> dict[str, str]:
    """Everything of the tenants that changed, and what depends on it; in the plan, dependencies come first."""
    scopes = {operation.scope for operation in changed if has_placement(operation.scope)}
    own = {operation.id for operation in changed}
    held: dict[str, str] = {}
    for operation in plan.operations:
        if operation.id in done:
            continue
        waits = next((d for d in operation.depends_on if d in held), None)
        if operation.id in own:
            held[operation.id] = _CHANGED
        elif operation.scope in scopes:
            held[operation.id] = f"of {operation.scope}, which {_CHANGED}"
        elif waits is not None:
            held[operation.id] = f"needs something of an organization that {_CHANGED}"
    return held


def _without_canary(plan: Plan, done: Collection[str], held: Collection[str]) -> dict[str, str]:
    """The later waves, where nothing of the first one is left to be tried on: none of its migrations, where it has some."""
    first = [o for o in plan.operations if o.wave == _FIRST]
    tried = {o.id for o, _ in afters(first, Schema)} or {o.id for o in first}
    if not tried or not tried <= set(held):
        return {}
    return {o.id: _NO_CANARY for o in plan.operations if o.wave > _FIRST and o.id not in done and o.id not in held}
