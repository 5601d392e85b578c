"""What a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.fleet.opening import Fleet, OfFleet
from tenantplan.model.desired import Desired
from tenantplan.model.live import Survey
from tenantplan.planning.select import Selection


@dataclass(frozen=True)
class Comparison(OfFleet):
    """The fleet, its migrations, both sides, and which part of the fleet the plan is about.

    `deep`: every database is looked into, not only those whose stamp says that somebody changed them. `again`: addresses of the
    operations of a saved plan that is made again, in place of the selection that it was made with.
    """

    fleet: Fleet
    desired: Desired
    live: Survey
    selection: Selection
    deep: bool = False
    again: frozenset[str] | None = None
