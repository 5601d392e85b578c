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
        id=digest([operation.id, "undo"])[:16],
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


def journal(run: Run, control: Connection, taken_back: Sequence[Operation], original: Collection[str]) -> None:
    """Before the first is taken back: the new operations, and that the old ones do not count as done any more."""
    record.add_operations(run, control, taken_back)
    with control.transaction():
        record.check_epoch(control, run.epoch)
        control.execute(
            "UPDATE tenantplan.operations o SET status = 'abandoned' FROM tenantplan.runs r"
            " WHERE r.id = o.run_id AND r.plan_seal = %s AND o.op_id = ANY(%s)",
            [run.seal, list(original)],
        )


def forget_revisions(work: Work, run: Run, control: Connection, live: Survey, operations: Sequence[Operation]) -> None:
    """Revisions that no database is at any more count as never applied, so that their files can be mended."""
    graph = work.trees.tenant
    used = {
        revision.id
        for schema in live.state.values()
        if isinstance(schema, Schema) and schema.tree != "main" and graph.knows(schema.revision)
        for revision in graph.path(None, schema.revision)
    }
    tried = {revision for o in operations if o.action == "migrate" for revision in o.revisions} - used
    with control.transaction():
        record.check_epoch(control, run.epoch)
        control.execute(
            "DELETE FROM tenantplan.revisions WHERE tree = 'tenant' AND revision = ANY(%s)", [sorted(tried)]
        )
