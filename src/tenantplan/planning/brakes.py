"""What brakes mass changes: of the fleet as a whole, and within each organization."""

from __future__ import annotations

from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import State
from tenantplan.planning import guard
from tenantplan.planning.organization_brakes import OrganizationBrakes, organization_brakes
from tenantplan.settings.settings import GuardSpec


def brakes(limits: GuardSpec, plan: Plan, live: State) -> list[Finding]:
    """Blockers for what a plan changes at once. `live` is under the names that the plan's operations use."""
    whole = guard.Brakes(limits.max_deletes, limits.max_changed_percent, limits.max_changed)
    within = OrganizationBrakes(limits.organization.max_changed_percent, limits.organization.max_changed)
    count, sharing = guard.live_organizations(live), guard.sharing(live)
    return [
        *guard.brakes(plan.operations, plan.summary["delete"], count, whole, sharing),
        *organization_brakes(plan.operations, live, within),
    ]
