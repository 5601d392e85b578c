"""What brakes mass changes: of the fleet as a whole, and within each organization."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenantplan.model import address as addresses
from tenantplan.model.finding_rules import CHANGES
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Row, State, of_type
from tenantplan.planning import guard
from tenantplan.settings.sections import GuardSpec


def brakes(limits: GuardSpec, plan: Plan, live: State) -> list[Finding]:
    """Blockers for what a plan changes at once. `live` is under the names that the plan's operations use."""
    whole = guard.Brakes(limits.max_deletes, limits.max_changed_percent, limits.max_changed)
    within = OrganizationBrakes(limits.organization.max_changed_percent, limits.organization.max_changed)
    count, sharing = guard.live_organizations(live), guard.sharing(live)
    return [
        *guard.brakes(plan.operations, plan.summary["delete"], count, whole, sharing),
        *organization_brakes(plan.operations, live, within),
    ]


_SMALL = 20  # a share of fewer objects than this says nothing


@dataclass(frozen=True)
class OrganizationBrakes:
    """Limits of one plan for each organization: changed objects as a share of its live ones and as a number."""

    max_changed_percent: int
    max_changed: int | None = None


def organization_brakes(operations: Sequence[Operation], live: State, limits: OrganizationBrakes) -> Iterator[Finding]:
    """A blocker for each organization too much of which changes: its tenants, members, modules, teams, projects and what is theirs.

    What is made, restored or adopted is no change, and who is deleted is counted as that. `live` is under the names that the
    operations use.
    """
    changed: Counter[str] = Counter()
    for address in sorted({o.address for o in operations if _changes(o, live)}):
        changed[_organization(address, live)] += 1
    deleted = {o.address for o in operations if o.action == "delete"}
    has = _sizes(live) if changed else Counter()
    for organization, number in sorted(changed.items()):
        if organization and organization not in deleted:
            yield from _too_many(organization, number, has[organization], limits)


def _too_many(organization: str, number: int, has: int, limits: OrganizationBrakes) -> Iterator[Finding]:
    told = f"{number} of its {has} objects would change"
    split = "split the change with --target, or raise the limit"
    if limits.max_changed is not None and number > limits.max_changed:
        allowed = f"{limits.max_changed} allowed (guard.organization.maxChanged)"
        yield Finding(organization, CHANGES, f"{told}, {allowed}: {split}")
    elif has >= _SMALL and 100 * number / has > limits.max_changed_percent:
        allowed = f"{limits.max_changed_percent} % allowed (guard.organization.maxChangedPercent)"
        yield Finding(organization, CHANGES, f"{told}, {allowed}: {split}")


def _changes(operation: Operation, live: State) -> bool:
    row = live.get(operation.address)
    makes = operation.action == "create" or operation.adopt or operation.restore
    return isinstance(row, Row) and not makes


def _sizes(live: State) -> Counter[str]:
    """How many managed objects each organization has, without itself."""
    rows = (a for a, row in of_type(live, Row).items() if row.managed and row.retired_at is None)
    return Counter(_organization(address, live) for address in rows)


def _organization(address: str, live: State) -> str:
    """The organization that a row belongs to, a tenant's own included; "" for one itself, and for what the fleet shares."""
    organization = addresses.organization_of(addresses.scope(address, live[address], live), live)
    return organization if addresses.kind(organization) == "organization" and organization != address else ""
