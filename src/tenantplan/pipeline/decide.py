"""Desired and live to a Plan: what changes, in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tenantplan.migration.trees import NO_TENANCY, edited
from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import tree_of
from tenantplan.pipeline.choose import Chosen, choose
from tenantplan.pipeline.compare import Compared, compare
from tenantplan.pipeline.comparison import Comparison
from tenantplan.pipeline.draft import draft
from tenantplan.pipeline.pins import pinned
from tenantplan.pipeline.probe import changed, unanswered
from tenantplan.pipeline.sides import Sides, both_sides
from tenantplan.planning.cascades import cascade_notes
from tenantplan.planning.findings import (
    allowed_losses,
    guard_findings,
    lacking_rights,
    mismatched_kinds,
    still_unreachable,
    unmanaged_references,
)
from tenantplan.planning.isolation import sharing, without_tables
from tenantplan.planning.leftover_deliveries import leftover_deliveries
from tenantplan.planning.likely_renames import undeclared_renames
from tenantplan.planning.made_up_values import made_up_values
from tenantplan.planning.undeclared import recreated_notes, restored_access
from tenantplan.planning.unreachable import not_planned
from tenantplan.tables import BUILTIN


def decide(comparison: Comparison) -> Plan:
    """The Plan. Databases are read only where something asks for it: an organization would move, a stamp says that somebody
    changed the schema, or a migration stopped halfway."""
    sides = both_sides(comparison)
    compared = compare(sides)
    chosen = choose(sides, compared)
    where = addresses.shared_schema(comparison.settings.spec.main.database)
    passed_by, passing = sharing(sides.live, sides.desired.state, chosen.operations, where)
    drafted = draft(comparison.fleet, sides.live, chosen.operations)
    unadopted = compared.difference.unadopted
    unplanned = not_planned(sides.wanted, sides.desired, sides.live)
    made = replace(
        drafted,
        orphans=compared.difference.orphans,
        unreachable=(*still_unreachable(sides.live, sides.untested), *unplanned, *chosen.lost),
        selection=comparison.selection.document(),
        notes=(*drafted.notes, *unadopted, *sides.notes(), *chosen.notes, *_notes(sides, compared, drafted, passing)),
        kinds=tuple(rowtype for name, rowtype in sorted(sides.wanted.tables.items()) if name not in BUILTIN),
        unmanaged=unmanaged_references({f.address for f in unadopted}, chosen.operations, sides.desired),
        deferred=chosen.deferred,
        labels=chosen.labels,
    )
    tableless = without_tables(sides.live, sides.desired.state, chosen.operations, where)
    blockers = {*passed_by, *tableless, *_blockers(sides, compared, chosen, made)}
    return replace(made, blockers=tuple(sorted(blockers, key=lambda b: (b.address, b.rule, b.message))))


def _notes(sides: Sides, compared: Compared, drafted: Plan, passing: list[Finding]) -> list[Finding]:
    """What a reviewer should know of the operations, and of databases that they leave as they are."""
    comparison, operations = sides.comparison, drafted.operations
    issued, targets = sides.live.main.issued, comparison.settings.spec.credentials.targets
    return [
        *restored_access(operations, sides.known, sides.last, sides.wanted.tables),
        *recreated_notes(operations, sides.last),
        *undeclared_renames(operations, sides.desired, sides.known),
        *changed(comparison, sides.known),
        *passing,
        *allowed_losses(operations, compared.migrations),
        *made_up_values(operations, compared.migrations),
        *lacking_rights(drafted, sides.live),
        *cascade_notes(operations),
        *leftover_deliveries(operations, issued, sides.sources, targets),
        *pinned(sides.desired, comparison.trees),
        *unanswered(comparison.fleet, operations),
        *_without_tenancy(comparison, operations),
    ]


def _without_tenancy(comparison: Comparison, operations: Iterable[Operation]) -> list[Finding]:
    """A note where the tenant tree is about to begin in the main database, and keeps no organization apart there."""
    begins = [
        o.address
        for o in operations
        if tree_of(o.after) == "shared"
        and o.action == "migrate"
        and o.start is None
        and not comparison.trees.knows_tenancy
    ]
    return [Finding(address, "isolation", NO_TENANCY) for address in begins]


def _blockers(sides: Sides, compared: Compared, chosen: Chosen, made: Plan) -> list[Finding]:
    """What stands in the way of each stage, and of the plan as a whole."""
    comparison = sides.comparison
    # Before the main database is migrated, nothing can be said of the tables that the fleet's own kinds stand for.
    mismatched = [] if compared.migrates_main else mismatched_kinds(made, sides.live)
    return [
        *sides.blockers(),
        *compared.blockers(sides),
        *chosen.blockers,
        *mismatched,
        *edited(comparison.trees, sides.live.main.recorded),
        *guard_findings(comparison.settings.spec.guard, comparison.selection.targets, made, sides.desired, sides.known),
    ]
