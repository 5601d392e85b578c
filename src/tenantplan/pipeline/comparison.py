"""What a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from tenantplan.fleet.opening import Fleet
from tenantplan.migration.trees import Trees
from tenantplan.model.desired import Desired
from tenantplan.model.live import Survey
from tenantplan.planning.select import Selection
from tenantplan.settings.settings import Settings


@dataclass(frozen=True)
class Comparison:
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

    @property
    def settings(self) -> Settings:
        """The fleet's."""
        return self.fleet.settings

    @property
    def trees(self) -> Trees:
        """The fleet's."""
        return self.fleet.trees
