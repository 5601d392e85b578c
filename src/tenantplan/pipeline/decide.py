"""Desired and live to a Plan: what changes, in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tenantplan.ddl import statements
from tenantplan.desired.packages import with_packages
from tenantplan.desired.secrets import Findings, with_secrets
from tenantplan.fleet.opening import Fleet
from tenantplan.journal.last_applied import last_applied
from tenantplan.live.survey import renamed
from tenantplan.migration.trees import edited, migrations_for
from tenantplan.model import address as addresses
from tenantplan.model.address import is_brought
from tenantplan.model.desired import Desired
from tenantplan.model.encode import fingerprint
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import Schema, State
from tenantplan.model.window import Deferral
from tenantplan.pipeline.comparison import Comparison
from tenantplan.pipeline.draft import draft
from tenantplan.pipeline.pins import pinned, pinned_from_the_start
from tenantplan.pipeline.probe import changed, halfway, losses, unanswered, unfit_connections
from tenantplan.planning import guard
from tenantplan.planning.cascades import cascade_notes
from tenantplan.planning.clock import check_clock
from tenantplan.planning.comparable import comparable
from tenantplan.planning.diff import diff, under_new_names
from tenantplan.planning.findings import (
    allowed_losses,
    guard_findings,
    lacking_rights,
    mismatched_kinds,
    reviewer_notes,
    still_unreachable,
    unmanaged_references,
    with_foreign_tables,
)
from tenantplan.planning.isolation import sharing
from tenantplan.planning.kept_closed import kept_closed
from tenantplan.planning.leftover_deliveries import leftover_deliveries
from tenantplan.planning.likely_renames import undeclared_renames
from tenantplan.planning.live_labels import live_labels, live_labels_with_own
from tenantplan.planning.logins import with_logins
from tenantplan.planning.lower import Context, lower
from tenantplan.planning.order import Labels, assign_waves, order
from tenantplan.planning.select import labels, select, without
from tenantplan.planning.undeclared import needing_the_journal, recreated, recreated_notes, restored_access, settled
from tenantplan.planning.unreachable import not_planned, without_unplannable
from tenantplan.planning.windows import labels_of_scopes, restricted
from tenantplan.postgres.connect import Connector
from tenantplan.settings.settings import Settings
from tenantplan.tables import BUILTIN
from tenantplan.tables.fit import with_ids


def decide(comparison: Comparison) -> Plan:
    """The Plan. Databases are read only where something asks for it: an organization would move, a stamp says that somebody
    changed the schema, or a migration stopped halfway."""
    settings, connector = comparison.settings, comparison.fleet.connector
    live, sources = renamed(comparison.live, comparison.desired.renames)
    comparison = replace(comparison, live=live)
    tables = with_ids({**live.main.tables, **comparison.desired.tables}, live.main.relations)
    wanted = replace(comparison.desired, tables=tables)
    desired, known = without_unplannable(wanted, live)
    now, grace = live.now, timedelta(days=settings.spec.guard.grace_days)
    by_stamp = known
    known = _with_passwords_checked(comparison, desired, known) if comparison.deep else known
    desired, unfit = _filled_in(with_logins(desired, known, live.main.issued, now), known, live, comparison.fleet)
    last = last_applied(settings, connector, live, needing_the_journal(desired, known), _pending(sources))
    fields = settled(desired, known, last)
    desired = kept_closed(fields.desired, known)
    difference = diff(desired, known, sources, now=now, grace=grace, left=fields.left)
    untested, weak = unfit_connections(wanted, live, comparison.fleet)
    migrations, stuck = migrations_for(
        desired.state,
        known,
        comparison.trees,
        undo=settings.spec.rollout.on_failure == "rollback",
        comments=settings.spec.guard.destructive_comment,
    )
    changes = [c for c in difference.changes if c.address not in stuck]
    theirs, stuck = _of_brought(stuck, desired.state)
    context = Context(migrations, desired.state, known, tables, settings.spec.main.database)
    lowered = recreated(lower(changes, context), last)
    ordered, circles = order(_as_seen_by_apply(lowered, known, by_stamp))
    operations, deferred, asked = _chosen(comparison, desired, ordered, now)
    operations, stay, lost = _moves(comparison, without(operations, theirs), known)
    lost += [Finding(holder, UNREACHABLE, why) for holder, why in theirs.items()]
    operations, stopped, broken = _without_halfway(connector, operations)
    lost += broken
    passed_by, passing = sharing(live, desired.state, operations, _shared_tables(settings))
    drafted = draft(comparison.fleet, live, operations)
    made = replace(
        drafted,
        orphans=difference.orphans,
        unreachable=(*still_unreachable(live, untested), *not_planned(wanted, desired, live), *lost),
        selection=comparison.selection.document(),
        notes=(
            *drafted.notes,
            *difference.unadopted,
            *check_clock(live),
            *unfit.notes,
            *weak,
            *reviewer_notes(desired, known, live, now),
            *fields.notes,
            *restored_access(operations, known, last, tables),
            *recreated_notes(operations, last),
            *undeclared_renames(operations, desired, known),
            *changed(comparison, known),
            *passing,
            *allowed_losses(operations, migrations),
            *lacking_rights(drafted, live),
            *cascade_notes(operations),
            *leftover_deliveries(operations, live.main.issued, sources, settings.spec.credentials.targets),
            *pinned(desired, comparison.trees),
            *unanswered(comparison.fleet, operations),
        ),
        kinds=tuple(rowtype for name, rowtype in sorted(tables.items()) if name not in BUILTIN),
        unmanaged=unmanaged_references({finding.address for finding in difference.unadopted}, operations, desired),
        deferred=deferred,
        labels=asked,
    )
    conflicts = with_foreign_tables(difference.conflicts, live, settings.spec.main.database)
    told = [*conflicts, *unfit.blockers, *untested, *circles, *stuck.values(), *passed_by, *stay, *stopped]
    told += pinned_from_the_start(changes, desired, comparison.trees)
    # Before the main database is migrated, nothing can be said of the tables that the fleet's own kinds stand for.
    behind = any(isinstance(c.after, Schema) and c.after.tree == "main" for c in changes)
    told += [] if behind else mismatched_kinds(made, live)
    blockers = {
        *told,
        *edited(comparison.trees, live.main.recorded),
        *guard_findings(settings.spec.guard, comparison.selection.targets, made, desired, known),
    }
    return replace(made, blockers=tuple(sorted(blockers, key=lambda b: (b.address, b.rule, b.message))))


def _pending(sources: Mapping[str, str]) -> dict[str, str]:
    """Renames that the plan would do, old address -> new."""
    return {old: new for new, old in sources.items()}


def _of_brought(stuck: Mapping[str, Finding], desired: State) -> tuple[dict[str, str], dict[str, Finding]]:
    """What stands in the way of migrations, apart: of databases that organizations brought, by organization, since they alone have
    to wait for it; and of the fleet's own."""
    holders = {
        a: s.holder for a in stuck if isinstance(s := desired.get(a), Schema) and is_brought(s.server) and s.holder
    }
    return {holders[a]: stuck[a].message for a in holders}, {a: f for a, f in stuck.items() if a not in holders}


def _moves(
    comparison: Comparison, operations: tuple[Operation, ...], known: State
) -> tuple[tuple[Operation, ...], list[Finding], list[Finding]]:
    """The operations without those of organizations whose place does not answer; a blocker for each that would leave data behind,
    and a finding for each that was left out."""
    moving = guard.relocations(operations, known)
    asked = [operation for operation in moving if not operation.restore]
    blockers, lost = losses(comparison.fleet, asked, comparison.live)
    kept = without(operations, {finding.address for finding in lost})
    return kept, [*guard.restored_elsewhere(moving), *blockers], lost


def _without_halfway(
    connector: Connector, operations: tuple[Operation, ...]
) -> tuple[tuple[Operation, ...], list[Finding], list[Finding]]:
    """The operations without those of organizations in whose own database a person has to mend an index first; blockers, and a
    finding for each of these organizations. In the main database an index holds up everybody, which is a blocker; so is one that
    the server goes on building for a run that died, since the next apply would end that."""
    scopes = {o.address: o.scope for o in operations if o.in_own_database}
    found = list(halfway(connector, operations))
    lost = [finding for finding, building in found if finding.address in scopes and not building]
    blockers = [finding for finding, building in found if finding.address not in scopes or building]
    return without(operations, {scopes[finding.address] for finding in lost}), blockers, lost


def _with_passwords_checked(comparison: Comparison, desired: Desired, known: State) -> State:
    """The live state, knowing which passwords somebody else has set: that takes connections."""
    from tenantplan.live.passwords import check_passwords, with_changed

    return with_changed(known, check_passwords(comparison.fleet, comparison.live, desired.state))


def _as_seen_by_apply(operations: list[Operation], known: State, by_stamp: State) -> list[Operation]:
    """Operations on roles whose passwords were compared expect to find what a look at the stamps shows."""
    return [
        replace(o, fingerprint=fingerprint(comparable(have, o.after)))
        if known.get(o.address) is not (have := by_stamp.get(o.address)) and have is not None and o.after is not None
        else o
        for o in operations
    ]


def _shared_tables(settings: Settings) -> str:
    return addresses.shared_schema(settings.spec.main.database)


def _filled_in(desired: Desired, known: State, live: Survey, fleet: Fleet) -> tuple[Desired, Findings]:
    """The desired state with what only the environment and files know: keyed hashes of secrets, sizes of packages."""
    state, found = with_secrets(desired, known, live.main.hash_key, fleet)
    state, missing = with_packages(replace(desired, state=state), known, fleet)
    return replace(desired, state=state), replace(found, blockers=found.blockers + missing)


def _chosen(
    comparison: Comparison, desired: Desired, operations: tuple[Operation, ...], now: datetime
) -> tuple[tuple[Operation, ...], tuple[Deferral, ...], Labels]:
    """The selected operations that may run now, in waves, each with the statements that it will run; what has to wait; and
    the labels that said so."""
    found = labels(desired)
    both = {**comparison.live.state, **desired.state}
    pace, rules = comparison.settings.spec.rollout, comparison.settings.rules
    selected = _selected(comparison, operations, found, frozenset(both))
    asked = labels_of_scopes(selected, labels(replace(desired, state=both)), both, rules)
    before, _ = under_new_names(comparison.live.state, desired.renames)
    permitted, deferred = restricted(selected, asked, rules, now, live_labels(selected, before))
    had = live_labels_with_own(permitted, before)
    waves = assign_waves(permitted, found, pace.canary, pace.wave_size, had)
    shown = tuple(o if o.statements else replace(o, statements=statements.preview(o)) for o in waves)
    return shown, deferred, {scope: asked[scope] for scope in dict.fromkeys(o.scope for o in shown) if scope in asked}


def _selected(
    comparison: Comparison, operations: tuple[Operation, ...], found: Labels, known: frozenset[str]
) -> tuple[Operation, ...]:
    """What the plan is about: the selection, or of a plan that is made again what that holds."""
    if comparison.again is not None:
        return tuple(o for o in operations if o.address in comparison.again)
    return select(operations, comparison.selection, found, known)
