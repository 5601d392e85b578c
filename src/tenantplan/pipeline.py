"""The story of design.md: files and servers in, a Plan out; a Plan in, a Report out. One way, no stage calls back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from tenantplan.errors import Blocked
from tenantplan.fleet import expected
from tenantplan.fleet.placed import placed
from tenantplan.fleet.servers import fleet_servers
from tenantplan.fleet.survey import Question, question, survey
from tenantplan.fleet.trees import load_trees
from tenantplan.model.plan import Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.planning import guard
from tenantplan.planning.select import EVERYTHING, Selection
from tenantplan.postgres.connect import Connector
from tenantplan.settings import Settings

if TYPE_CHECKING:
    from tenantplan.run.work import Check, Work


def plan(settings: Settings, selection: Selection = EVERYTHING, *, deep: bool = False) -> Plan:
    """Compares the manifest with what is live and returns the Plan. Writes nothing: its sessions are read-only.

    `deep` looks into every database.

    Raises ManifestError, MigrationError or ConnectError; what stands in the way of applying is in the Plan.
    """
    from tenantplan.decision.comparison import Comparison  # an apply starts without what makes its plan
    from tenantplan.decision.decide import decide

    trees = load_trees(settings)
    documents = expected.load_documents(settings)
    desired = expected.complete(expected.declared(settings, documents, placed(settings, documents)), settings, trees)
    servers = fleet_servers(settings)
    connector = Connector(servers.usable, settings.spec.max_connections)
    live = survey(settings, servers, connector, question(desired), trees.versions)
    return decide(Comparison(settings, trees, desired, live, selection, deep), connector)


def repair(settings: Settings) -> Plan:
    """Looks into every database and returns the Plan that brings their schemas back where that is safe. Writes nothing."""
    from tenantplan.decision.repair import repair_plan

    trees = load_trees(settings)
    servers = fleet_servers(settings)
    connector = Connector(servers.usable, settings.spec.max_connections)
    live = survey(settings, servers, connector, Question((), follow=True), trees.versions)
    return repair_plan(settings, trees, live, connector)


def rotation(settings: Settings, names: tuple[str, ...], *, due: bool) -> Plan:
    """The Plan that replaces passwords of login roles, ends what is over, and finishes what was interrupted. Writes nothing.

    `names` are organizations (or tenant/NAME); `due`: also those whose time has come.
    """
    from tenantplan.decision.rotation import Wish, rotation_plan

    trees = load_trees(settings)
    documents = expected.load_documents(settings)
    desired = expected.complete(expected.declared(settings, documents, placed(settings, documents)), settings, trees)
    servers = fleet_servers(settings)
    connector = Connector(servers.usable, settings.spec.max_connections)
    live = survey(settings, servers, connector, question(desired), trees.versions)
    return rotation_plan(settings, trees, desired, live, Wish(names, due))


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
    from tenantplan.run.session import session  # a plan starts without what applies it

    words = guard.Words(allow_deletes, allow_destructive)
    standing = guard.standing(chosen, words)
    if standing:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in standing), hint="nothing was changed")
    if chosen.empty and not (believed and chosen.attempts):
        return Report("", chosen.digest, (), 0.0)
    return session(settings, chosen, parallelism, on_outcome, None if believed else _checked(settings, words))


def _checked(settings: Settings, words: guard.Words) -> Check:
    """What refuses a plan that the fleet at hand would not make, and holds back what cannot be compared now."""
    from tenantplan.decision.again import AtHand, check_again  # a signed plan starts without it

    def check(work: Work, before: Collection[str], stale: Mapping[str, str]) -> Mapping[str, str]:
        hand = AtHand(settings, work.trees, work.servers, work.connector, work.attempts)
        return check_again(hand, work.plan, words, before, stale)

    return check
