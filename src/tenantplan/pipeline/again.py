"""Checks an unsigned plan file by planning again: it holds what this fleet would plan now, or it is refused.

The seal of such a file is a checksum: whoever can write the file can put anything into it, and take any blocker out. So what
it says is not believed but compared with a plan of the documents, migrations, fleet file and databases at hand: every
operation, its statements, class, wave and order; and protection, brakes, windows and the other guards are asked anew. What
is about an organization whose own database cannot be looked into now cannot be compared: it does not run, and fails alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tenantplan.desired import declare
from tenantplan.errors import Blocked, ManifestError, PlanRefused
from tenantplan.fleet.opening import Fleet
from tenantplan.live.current_servers import placed
from tenantplan.live.survey import SurveyRequest, survey, survey_request
from tenantplan.model import address as addresses
from tenantplan.model.common_group import without_created
from tenantplan.model.encode import canonical
from tenantplan.model.finding_rules import CHANGES, CONNECTION, DELETES, LOSSES, OCCUPIED
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Role, afters
from tenantplan.pipeline.comparison import Comparison
from tenantplan.pipeline.decide import decide
from tenantplan.pipeline.repair import repair_plan
from tenantplan.planning import guard
from tenantplan.planning.brakes import brakes
from tenantplan.planning.diff import under_new_names
from tenantplan.planning.select import Selection

_HINT = (
    "make the plan again, from the commit that it is applied from: tenantplan plan --out plan.json (a repair: tenantplan drift"
    " --repair --out plan.json); a signed plan (plans.signingKey) is not compared"
)
_NAMED = 5
_MOVING = {"wave", "depends_on"}  # what others of the plan are done already decides


@dataclass(frozen=True)
class AtHand:
    """The fleet as apply finds it; `attempts` gets the connections that fail while a plan is made again."""

    fleet: Fleet
    attempts: list[Finding] = field(default_factory=list)


def check_again(
    hand: AtHand, plan: Plan, words: guard.Allowances, before: Collection[str], stale: Mapping[str, str]
) -> Mapping[str, str]:
    """Operations that cannot be compared and so must not run, by id, and why. Those in `before` were compared by an earlier apply
    of the file, which has begun to change what a plan would be; those that are `stale` do not run anyway.

    PlanRefused when the plan holds what the fleet at hand would not plan, Blocked when a guard or a window stands.
    """
    if all(operation.id in before for operation in plan.operations):
        return {}
    if any(operation.schema is not None for operation in plan.operations):
        made, live = _repaired(hand, plan), None
    else:
        made, live = _planned(hand, plan, deep=False)
        if _lacks_roles(plan, made):  # passwords that somebody else has set are seen by a look at the roles only
            made, live = _planned(hand, plan, deep=True)
    hand.attempts.extend(made.attempts)
    changed = {operation.address for operation in plan.operations if operation.id in stale}
    deferred = [deferral for deferral in made.deferred if deferral.address not in changed]
    if deferred:
        waiting = max(deferred, key=lambda deferral: deferral.until)
        raise Blocked(f"{waiting.why}, until {waiting.when}", where=waiting.address, hint="nothing was changed")
    lost = _out_of_reach(made)
    held = _held_back(plan, lost, before)
    if before:
        return _only_held(plan, made, {**held, **stale}, before)
    fresh = replace(plan, operations=tuple(without_created(plan.operations, live.state))) if live else plan
    _refuse(fresh, made, {**held, **stale})
    found = [
        *(b for b in _guards(made) if b.address not in lost and b.address not in changed),
        *(brakes(hand.fleet.settings.spec.guard, plan, under_new_names(live.state, plan.renames)[0]) if live else []),
    ]
    standing = guard.remaining_blockers(replace(plan, blockers=tuple(found)), words)
    if standing:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in standing), hint="nothing was changed")
    return held


def _out_of_reach(made: Plan) -> dict[str, str]:
    """Organizations and tenants that nothing is planned for now, since a database cannot be looked into, and why."""
    found = (*made.unreachable, *(blocker for blocker in made.blockers if blocker.rule == CONNECTION))
    return {f.address: f.message for f in found if addresses.has_placement(f.address)}


def _only_held(plan: Plan, made: Plan, held: Mapping[str, str], before: Collection[str]) -> Mapping[str, str]:
    """What is still held back; PlanRefused when something that was held back is planned differently."""
    again = {operation.id: operation for operation in made.operations}
    fresh = [o for o in plan.operations if o.id not in before and o.id not in held]
    wrong = [o.address for o in fresh if o.id not in again or set(_members_that_differ(o, again[o.id])) - _MOVING]
    if wrong:
        raise PlanRefused(
            "the plan is not signed, and what was held back when it was applied is planned differently: "
            + ", ".join(wrong[:_NAMED]),
            hint=_HINT,
        )
    return held


def _held_back(plan: Plan, lost: Mapping[str, str], before: Collection[str]) -> dict[str, str]:
    """The operations that are about what is `lost`, and all that depends on them, without those that were compared `before`."""
    held: dict[str, str] = {}
    for operation in plan.operations:
        if operation.id in before:
            continue
        about = (operation.scope, operation.owner)
        why = next((lost[a] for a in about if a in lost), None)
        why = why or next((held[d] for d in operation.depends_on if d in held), None)
        if why is not None:
            held[operation.id] = why
    return held


def _planned(hand: AtHand, plan: Plan, *, deep: bool) -> tuple[Plan, Survey]:
    try:
        documents = declare.load_documents(hand.fleet)
        declared = declare.declared(hand.fleet, documents, placed(hand.fleet, documents))
    except ManifestError as error:
        raise PlanRefused(
            f"the plan is not signed, and the documents at hand cannot be read: {error.message}",
            where=error.where,
            hint=_HINT,
        ) from error
    desired = declare.complete(declared, hand.fleet)
    live = survey(hand.fleet, survey_request(desired))
    named = plan.selection.get("target", ())
    selection = Selection(targets=tuple(str(target) for target in named))
    planned = frozenset(operation.address for operation in plan.operations)
    return decide(Comparison(hand.fleet, desired, live, selection, deep, planned)), live


def _repaired(hand: AtHand, plan: Plan) -> Plan:
    named = frozenset(operation.address for operation in plan.operations)
    asked = SurveyRequest((), follow=True)
    return repair_plan(hand.fleet, survey(hand.fleet, asked), named)


def _lacks_roles(plan: Plan, made: Plan) -> bool:
    known = {operation.id for operation in made.operations}
    return any(operation.id not in known for operation, _ in afters(plan.operations, Role))


def _refuse(plan: Plan, made: Plan, held: Collection[str]) -> None:
    """PlanRefused, with the operations that are not as the fleet at hand plans them, without those that are `held` back."""
    # Without what is held back, the others would be in earlier waves: then only their order counts.
    differing = _differing(plan, made, {"wave"} if held else set())
    wrong = [f"{o.address} ({what})" for o, what in differing if o.id not in held]
    wrong += [f"{address} (wave)" for address in _overtaking(plan, made)] if held else []
    if wrong:
        raise PlanRefused(
            "the documents, migrations or databases changed after the plan was made, or the file did (it is not signed);"
            " planned differently: " + some(wrong, _NAMED),
            hint=_HINT,
        )
    # What the application has made since is beside the plan now; only what is held back would refer to it.
    theirs = {o.address for o in plan.operations if o.id in held} - plan.unmanaged.keys()
    beside = {address: row for address, row in made.unmanaged.items() if address not in theirs}
    if plan.kinds != made.kinds or dict(plan.unmanaged) != beside:
        raise PlanRefused("the plan is not signed, and describes tables that differ", hint=_HINT)


def _overtaking(plan: Plan, made: Plan) -> Iterator[str]:
    """Operations that the file puts before others whose wave comes before theirs."""
    latest: dict[int, int] = {}
    saved = {operation.id: operation.wave for operation in plan.operations}
    for operation in sorted((o for o in made.operations if o.id in saved), key=lambda o: o.wave):
        if any(wave > saved[operation.id] for own, wave in latest.items() if own < operation.wave):
            yield operation.address
        latest[operation.wave] = max(latest.get(operation.wave, 0), saved[operation.id])


def _differing(plan: Plan, made: Plan, without: Collection[str]) -> Iterator[tuple[Operation, str]]:
    """Operations that are not made again, or otherwise; and such as would not run after what they need."""
    again = {operation.id: operation for operation in made.operations}
    before: set[str] = set()
    for operation in plan.operations:
        wanted = again.get(operation.id)
        if wanted is None:
            yield operation, operation.action
        elif operation.id in before or not before.issuperset(wanted.depends_on):
            yield operation, "out of its order"
        elif different := [name for name in _members_that_differ(operation, wanted) if name not in without]:
            yield operation, ", ".join(different)
        before.add(operation.id)


def _members_that_differ(operation: Operation, wanted: Operation) -> list[str]:
    have, want = operation.document(), wanted.document()
    names = sorted(have.keys() | want.keys())
    return [name for name in names if have.get(name) != want.get(name) and _other(have.get(name), want.get(name))]


def _other(have: object, want: object) -> bool:
    return canonical(have) != canonical(want)


def _guards(made: Plan) -> list[Finding]:
    """The blockers of the plan made again, but for those that count, since they count what the file holds, and for rows that
    would be left behind: the operation itself asks for those again, and fails alone."""
    counting = (DELETES, LOSSES, CHANGES)
    return [finding for finding in made.blockers if finding.rule not in (*counting, OCCUPIED)]
