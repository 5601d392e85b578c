"""A saved plan that nobody signed, made again: it holds what the fleet at hand would plan, or it is refused.

The seal of such a file is a checksum: whoever can write the file can put anything into it, and take any blocker out. So what
it says is not believed but compared with a plan of the documents, migrations, fleet file and databases at hand: every
operation, its statements, class, wave and order; and protection, brakes, windows and the other guards are asked anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tenantplan.decision.comparison import Comparison
from tenantplan.decision.decide import decide
from tenantplan.decision.repair import repair_plan
from tenantplan.errors import Blocked, ManifestError, PlanRefused
from tenantplan.fleet import expected
from tenantplan.fleet.placed import placed
from tenantplan.fleet.servers import Servers
from tenantplan.fleet.survey import Question, Survey, question, survey
from tenantplan.fleet.trees import Trees
from tenantplan.model.encode import canonical
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Role
from tenantplan.planning import guard
from tenantplan.planning.select import Selection
from tenantplan.postgres.connect import Connector
from tenantplan.settings import Settings

_HINT = (
    "make the plan again, from the commit that it is applied from: tenantplan plan --out plan.json (a repair: tenantplan drift"
    " --repair --out plan.json); a signed plan (plans.signingKey) is not compared"
)
_NAMED = 5


@dataclass(frozen=True)
class AtHand:
    """The fleet as apply finds it."""

    settings: Settings
    trees: Trees
    servers: Servers
    connector: Connector


def check_again(hand: AtHand, plan: Plan, allow_deletes: int | None) -> None:
    """PlanRefused when the plan holds what the fleet at hand would not plan, Blocked when a guard or a window stands."""
    if not plan.operations:
        return
    if any(operation.schema is not None for operation in plan.operations):
        made, live = _repaired(hand, plan), None
    else:
        made, live = _planned(hand, plan, deep=False)
        if _lacks_roles(plan, made):  # passwords that somebody else has set are seen by a look at the roles only
            made, live = _planned(hand, plan, deep=True)
    if made.deferred:
        waiting = max(made.deferred, key=lambda deferral: deferral.until)
        raise Blocked(f"{waiting.why}, until {waiting.when}", where=waiting.address, hint="nothing was changed")
    _refuse(plan, made)
    found = [*_guards(made), *(_brakes(hand.settings, plan, live) if live else [])]
    standing = guard.standing(replace(plan, blockers=tuple(found)), allow_deletes)
    if standing:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in standing), hint="nothing was changed")


def _planned(hand: AtHand, plan: Plan, *, deep: bool) -> tuple[Plan, Survey]:
    settings, trees = hand.settings, hand.trees
    try:
        documents = expected.load_documents(settings)
        declared = expected.declared(settings, documents, placed(settings, documents))
    except ManifestError as error:
        raise PlanRefused(
            f"the plan is not signed, and the documents at hand cannot be read: {error.message}",
            where=error.where,
            hint=_HINT,
        ) from error
    desired = expected.complete(declared, settings, trees)
    live = survey(settings, hand.servers, hand.connector, question(desired), trees.versions)
    named = plan.selection.get("target", ())
    selection = Selection(targets=tuple(str(target) for target in named))
    addresses = frozenset(operation.address for operation in plan.operations)
    return decide(Comparison(settings, trees, desired, live, selection, deep, addresses), hand.connector), live


def _repaired(hand: AtHand, plan: Plan) -> Plan:
    named = frozenset(operation.address for operation in plan.operations)
    asked = Question((), follow=True)
    live = survey(hand.settings, hand.servers, hand.connector, asked, hand.trees.versions)
    return repair_plan(hand.settings, hand.trees, live, hand.connector, named)


def _lacks_roles(plan: Plan, made: Plan) -> bool:
    known = {operation.id for operation in made.operations}
    return any(isinstance(o.after, Role) and o.id not in known for o in plan.operations)


def _refuse(plan: Plan, made: Plan) -> None:
    """PlanRefused, with the operations that are not as the fleet at hand plans them."""
    wrong = [f"{o.address} ({what})" for o, what in _differing(plan, made)]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise PlanRefused(
            "the documents, migrations or databases changed after the plan was made, or the file did, which is not signed;"
            " not planned like this: " + ", ".join(wrong[:_NAMED]) + more,
            hint=_HINT,
        )
    if plan.kinds != made.kinds or dict(plan.beside) != dict(made.beside):
        raise PlanRefused("the plan is not signed, and describes tables that are not as it says", hint=_HINT)


def _differing(plan: Plan, made: Plan) -> Iterator[tuple[Operation, str]]:
    """Operations that are not made again, or otherwise; and such as would not run after what they need."""
    again = {operation.id: operation for operation in made.operations}
    before: set[str] = set()
    for operation in plan.operations:
        wanted = again.get(operation.id)
        if wanted is None:
            yield operation, operation.action
        elif operation.id in before or not before.issuperset(wanted.depends_on):
            yield operation, "out of its order"
        elif different := _members_that_differ(operation, wanted):
            yield operation, ", ".join(different)
        before.add(operation.id)


def _members_that_differ(operation: Operation, wanted: Operation) -> list[str]:
    have, want = operation.document(), wanted.document()
    return [
        name for name in sorted(want) if have[name] != want[name] and canonical(have[name]) != canonical(want[name])
    ]


def _guards(made: Plan) -> list[Finding]:
    """The blockers of the plan made again, but for those that count: they count what the file holds."""
    return [finding for finding in made.blockers if finding.rule not in (guard.DELETES, guard.CHANGES)]


def _brakes(settings: Settings, plan: Plan, live: Survey) -> list[Finding]:
    limits = settings.spec.guard
    brakes = guard.Brakes(limits.max_deletes, limits.max_changed_percent, limits.max_changed)
    return guard.brakes(
        plan.operations, plan.summary["delete"], guard.live_organizations(live.state), brakes, guard.sharing(live.state)
    )
