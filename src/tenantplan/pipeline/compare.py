"""Both sides to operations in order: what would make what is live the same as what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tenantplan.migration.trees import migrations_for
from tenantplan.model.address import is_brought
from tenantplan.model.change import Change
from tenantplan.model.encode import fingerprint
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Schema, State, of_type, tree_of
from tenantplan.model.step import Migration
from tenantplan.pipeline.pins import pinned_from_the_start
from tenantplan.pipeline.sides import Sides
from tenantplan.planning.comparable import comparable
from tenantplan.planning.diff import Difference, diff
from tenantplan.planning.findings import with_foreign_tables
from tenantplan.planning.lower import Context, lower
from tenantplan.planning.order import order
from tenantplan.planning.undeclared import recreated


@dataclass(frozen=True)
class Compared:
    """What comparing gives: the difference, those of its changes that something can be done about, and their operations in order.

    `migrations` of schemas and new databases by address. `waiting` maps organizations to what keeps the databases that they
    brought from being migrated: they alone have to wait for it. `stuck` and `circles`: what nobody gets past.
    """

    difference: Difference
    changes: Sequence[Change]
    migrations: Mapping[str, Migration]
    operations: tuple[Operation, ...]
    waiting: Mapping[str, str]
    stuck: Sequence[Finding]
    circles: Sequence[Finding]

    @property
    def migrates_main(self) -> bool:
        """Whether the main database's own tables change."""
        return any(tree_of(change.after) == "main" for change in self.changes)

    def blockers(self, sides: Sides) -> Iterator[Finding]:
        """What of the difference cannot be brought about."""
        comparison = sides.comparison
        yield from with_foreign_tables(self.difference.conflicts, sides.live, comparison.settings.spec.main.database)
        yield from self.circles
        yield from self.stuck
        yield from pinned_from_the_start(self.changes, sides.desired, comparison.trees)


def compare(sides: Sides) -> Compared:
    """The difference of both sides, lowered to operations."""
    comparison, spec = sides.comparison, sides.comparison.settings.spec
    grace = timedelta(days=spec.guard.grace_days)
    difference = diff(sides.desired, sides.known, sides.sources, now=sides.now, grace=grace, left=sides.fields.left)
    migrations, stuck = migrations_for(
        sides.desired.state,
        sides.known,
        comparison.trees,
        undo=spec.rollout.on_failure == "rollback",
        comments=spec.guard.destructive_comment,
    )
    changes = [change for change in difference.changes if change.address not in stuck]
    context = Context(migrations, sides.desired.state, sides.known, sides.wanted.tables, spec.main.database)
    lowered = recreated(lower(changes, context), sides.last)
    ordered, circles = order(_as_seen_by_apply(lowered, sides.known, sides.by_stamp))
    holders = _of_brought(stuck, sides.desired.state)
    return Compared(
        difference,
        changes,
        migrations,
        ordered,
        waiting={holder: "; ".join(f.message for f in stuck[address]) for address, holder in holders.items()},
        stuck=[finding for address, found in stuck.items() if address not in holders for finding in found],
        circles=circles,
    )


def _of_brought(stuck: Iterable[str], desired: State) -> dict[str, str]:
    """The organization, of each schema that is stuck in a database which an organization brought."""
    schemas = of_type({address: desired.get(address) for address in stuck}, Schema)
    return {a: schema.holder for a, schema in schemas.items() if is_brought(schema.server) and schema.holder}


def _as_seen_by_apply(operations: list[Operation], known: State, by_stamp: State) -> list[Operation]:
    """Operations on roles whose passwords were compared expect to find what a look at the stamps shows."""
    return [
        replace(o, fingerprint=fingerprint(comparable(have, o.after)))
        if known.get(o.address) is not (have := by_stamp.get(o.address)) and have is not None and o.after is not None
        else o
        for o in operations
    ]
