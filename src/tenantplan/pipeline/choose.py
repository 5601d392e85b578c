"""Which operations a plan has: the selected ones that may run now, and whose place answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tenantplan.ddl import statements
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.window import Deferral
from tenantplan.pipeline.compare import Compared
from tenantplan.pipeline.extensions import lacking
from tenantplan.pipeline.probe import halfway, losses
from tenantplan.pipeline.sides import Sides
from tenantplan.planning import guard
from tenantplan.planning.diff import under_new_names
from tenantplan.planning.live_labels import live_labels, live_labels_with_own
from tenantplan.planning.order import Labels, assign_waves
from tenantplan.planning.select import labels, select, without
from tenantplan.planning.windows import labels_of_scopes, restricted
from tenantplan.postgres.connect import Connector


@dataclass(frozen=True)
class Chosen:
    """The operations in waves, each with the statements that it will run; `deferred`: what has to wait, and the `labels` that said
    so. `blockers`: operations that would leave data behind, that a person has to mend something for, or whose server lacks
    something. `lost`: organizations that were left out, and why. `notes`: what servers may lack."""

    operations: tuple[Operation, ...]
    deferred: tuple[Deferral, ...]
    labels: Labels
    blockers: Sequence[Finding]
    lost: Sequence[Finding]
    notes: Sequence[Finding]


def choose(sides: Sides, compared: Compared) -> Chosen:
    """What the plan does. Databases are read where an organization would move, a migration stopped halfway, or one makes
    an extension."""
    permitted, deferred, asked = _permitted(sides, compared.operations)
    placed, stay, lost = _moves(sides, without(permitted, compared.waiting.keys()))
    waiting = [Finding(holder, UNREACHABLE, why) for holder, why in compared.waiting.items()]
    whole, stopped, broken = _without_halfway(sides.comparison.connector, placed)
    scarce = lacking(sides.comparison.fleet, whole, compared.migrations)
    return Chosen(
        operations=without(whole, {finding.address for finding in scarce.waiting}),
        deferred=deferred,
        labels=asked,
        blockers=[*stay, *stopped, *scarce.blockers],
        lost=[*lost, *waiting, *broken, *scarce.waiting],
        notes=scarce.notes,
    )


def _permitted(
    sides: Sides, operations: tuple[Operation, ...]
) -> tuple[tuple[Operation, ...], tuple[Deferral, ...], Labels]:
    """The selected operations that may run now, in waves, each with the statements that it will run; what has to wait; and
    the labels that said so."""
    desired, live = sides.desired, sides.live.state
    found = labels(desired)
    both = {**live, **desired.state}
    pace, rules = sides.comparison.settings.spec.rollout, sides.comparison.settings.rules
    selected = _selected(sides, operations, found, frozenset(both))
    asked = labels_of_scopes(selected, labels(replace(desired, state=both)), both, rules)
    before, _ = under_new_names(live, desired.renames)
    permitted, deferred = restricted(selected, asked, rules, sides.now, live_labels(selected, before))
    had = live_labels_with_own(permitted, before)
    waves = assign_waves(permitted, found, pace.canary, pace.wave_size, had)
    shown = tuple(o if o.statements else replace(o, statements=statements.preview(o)) for o in waves)
    return shown, deferred, {scope: asked[scope] for scope in dict.fromkeys(o.scope for o in shown) if scope in asked}


def _selected(
    sides: Sides, operations: tuple[Operation, ...], found: Labels, known: frozenset[str]
) -> tuple[Operation, ...]:
    """What the plan is about: the selection, or of a plan that is made again what that holds."""
    again = sides.comparison.again
    if again is not None:
        return tuple(o for o in operations if o.address in again)
    return select(operations, sides.comparison.selection, found, known)


def _moves(
    sides: Sides, operations: tuple[Operation, ...]
) -> tuple[tuple[Operation, ...], list[Finding], list[Finding]]:
    """The operations without those of organizations whose place does not answer; a blocker for each that would leave data behind,
    and a finding for each that was left out."""
    moving = guard.relocations(operations, sides.known)
    asked = [operation for operation in moving if not operation.restore]
    blockers, lost = losses(sides.comparison.fleet, asked, sides.live)
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
