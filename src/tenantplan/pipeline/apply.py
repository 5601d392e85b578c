"""A Plan in, a Report out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from tenantplan.errors import Blocked
from tenantplan.model.plan import Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.planning import guard
from tenantplan.settings.settings import Settings

if TYPE_CHECKING:
    from tenantplan.apply.work import Check, Work


def apply(
    settings: Settings,
    chosen: Plan,
    *,
    allow_deletes: int | None = None,
    allow_destructive: int | None = None,
    parallelism: int | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    believed: bool = True,
) -> Report:
    """Executes exactly the operations of a plan and reports what became of each.

    One that is not `believed`, since it comes from a file that nobody signed, has to be what the fleet at hand would plan.

    Raises Blocked, PlanRefused or Locked before the first write, when a guard stands, the plan is not this fleet's or
    not fresh, or another run is at work.
    """
    from tenantplan.apply.session import session  # a plan starts without what applies it

    words = guard.Allowances(allow_deletes, allow_destructive)
    standing = guard.remaining_blockers(chosen, words)
    if standing:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in standing), hint="nothing was changed")
    if chosen.empty and not (believed and chosen.attempts):
        return Report("", chosen.digest, (), 0.0)
    return session(settings, chosen, parallelism, on_outcome, None if believed else _checked(words))


def _checked(words: guard.Allowances) -> Check:
    """What refuses a plan that the fleet at hand would not make, and holds back what cannot be compared now."""
    from tenantplan.pipeline.again import AtHand, check_again  # a signed plan starts without it

    def check(work: Work, before: Collection[str], stale: Mapping[str, str]) -> Mapping[str, str]:
        hand = AtHand(work.fleet, work.attempts)
        return check_again(hand, work.plan, words, before, stale)

    return check
