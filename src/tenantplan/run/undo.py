"""Taking a rollout back: downgrades of every database that the plan has migrated, so that all are at the old revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tenantplan.execution import record
from tenantplan.execution.context import Run
from tenantplan.fleet.survey import Survey
from tenantplan.model.encode import digest, fingerprint
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema
from tenantplan.model.step import flat, one_transaction
from tenantplan.postgres.connect import Connection
from tenantplan.run.work import Work


def way_back(operations: Sequence[Operation], done: Collection[str]) -> list[Operation]:
    """The operations that take back the migrations among `operations` that are `done`, in the opposite order."""
    return [_reverse(o) for o in reversed(operations) if o.id in done and o.undo is not None]


def _reverse(operation: Operation) -> Operation:
    assert isinstance(operation.after, Schema)
    assert operation.undo is not None
    target = operation.before if isinstance(operation.before, Schema) else replace(operation.after, revision=None)
    return replace(
        operation,
        id=_undo_id(operation),
        before=operation.after,
        after=replace(operation.after, revision=target.revision),
        fingerprint=fingerprint(operation.after),
        summary=f"take back to {target.revision or 'empty'}",
        statements=flat(operation.undo),
        steps=() if one_transaction(operation.undo) else operation.undo,
        depends_on=(),
        revisions=(),
        checks=(),
        hazards=(),
        undo=None,
        wave=0,
    )


def journal(run: Run, control: Connection, operations: Sequence[Operation], done: Collection[str]) -> list[Operation]:
    """The operations that take back what is `done` of a plan, journaled. As each ends, its original counts as undone."""
    taken_back = way_back(operations, done)
    run.undoes.update({_undo_id(o): o.id for o in operations if o.undo is not None})
    record.add_operations(run, control, taken_back)
    return taken_back


def _undo_id(operation: Operation) -> str:
    return digest([operation.id, "undo"])[:16]


def forget_revisions(work: Work, run: Run, control: Connection, live: Survey, operations: Sequence[Operation]) -> None:
    """Revisions that no database is at any more count as never applied, so that their files can be mended.

    While a database cannot be seen, nothing is forgotten.
    """
    if live.unreachable:
        return
    graph = work.trees.tenant
    used = {
        revision.id
        for schema in live.state.values()
        if isinstance(schema, Schema) and schema.tree != "main" and graph.knows(schema.revision)
        for revision in graph.path(None, schema.revision)
    }
    used |= {s.halfway.partition(":")[0] for s in live.state.values() if isinstance(s, Schema) and s.halfway}
    tried = {revision for o in operations if o.action == "migrate" for revision in o.revisions} - used
    with control.transaction():
        record.check_epoch(control, run.epoch)
        control.execute(
            "DELETE FROM tenantplan.revisions WHERE tree = 'tenant' AND revision = ANY(%s)", [sorted(tried)]
        )
