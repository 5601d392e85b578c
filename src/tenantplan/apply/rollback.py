"""Rolls a rollout back: downgrades every database that the plan has migrated, so that all are at the old revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tenantplan.apply.context import Run
from tenantplan.apply.work import Work
from tenantplan.journal import record
from tenantplan.journal.recover import journaled
from tenantplan.migration.trees import Trees
from tenantplan.model import address as addresses
from tenantplan.model.encode import digest, fingerprint
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, expect, of_type, one
from tenantplan.model.step import all_origins, flat, one_transaction
from tenantplan.planning.dependencies import MAIN_SCOPE
from tenantplan.postgres.connect import Connection


def compensating_operations(operations: Sequence[Operation], done: Collection[str]) -> list[Operation]:
    """The operations that take back the migrations among `operations` that are `done`, in the opposite order."""
    return [_reverse(o) for o in reversed(operations) if o.id in done and o.undo is not None]


def _reverse(operation: Operation) -> Operation:
    after = expect(operation.after, Schema)
    assert operation.undo is not None
    target = one(operation.before, Schema) or replace(after, revision=None)
    return replace(
        operation,
        id=_undo_id(operation),
        before=after,
        after=replace(after, revision=target.revision),
        fingerprint=fingerprint(after),
        summary=f"take back to {target.revision or 'empty'}",
        statements=flat(operation.undo),
        steps=() if one_transaction(operation.undo) else operation.undo,
        depends_on=(),
        revisions=(),
        checks=(),
        hazards=(),
        undo=None,
        wave=0,
        start=operation.undo[0].start if operation.undo else None,
        origins=all_origins(operation.undo) if one_transaction(operation.undo) else (),
    )


def journal(work: Work, run: Run, control: Connection, done: Collection[str]) -> list[Operation]:
    """The operations that take back what is `done` of the plan, journaled. As each ends, its original counts as undone.

    Runs that were interrupted belong to the same rollout, whatever plan they had: what they migrated goes back, too.
    """
    mine = {o.address for o in work.plan.operations}
    before = [o for o in _of_interrupted_runs(work.trees, control) if o.address not in mine]
    operations = [*before, *work.plan.operations]
    taken_back = compensating_operations(operations, {*done, *(o.id for o in before)})
    run.undoes.update({_undo_id(o): o.id for o in operations if o.undo is not None})
    record.add_operations(run.author, control, taken_back)
    return taken_back


def _of_interrupted_runs(trees: Trees, control: Connection) -> list[Operation]:
    """Migrations to the head of the tenant tree that runs have done which did not end, since the last one that did."""
    rows = control.execute(
        "SELECT o.op_id, o.address, o.before::text, o.after::text FROM tenantplan.operations o"
        " JOIN tenantplan.runs r ON r.id = o.run_id WHERE r.status = 'abandoned' AND o.action = 'migrate'"
        " AND o.status IN ('done', 'recovered') AND r.started_at > coalesce((SELECT max(ended.started_at)"
        " FROM tenantplan.runs ended WHERE ended.status IN ('done', 'partial')), '-infinity') ORDER BY o.seq"
    ).fetchall()
    found = [
        (op_id, address, one(journaled(before), Schema), one(journaled(after), Schema))
        for op_id, address, before, after in rows
    ]
    return [
        Operation(
            op_id,
            address,
            action="migrate",
            risk="risky",
            scope=addresses.owner(address, after) if after.tree == "tenant" else MAIN_SCOPE,
            transactional=False,
            summary="",
            before=before,
            after=after,
            fingerprint="",
            undo=trees.downgrade(after.tree, before.revision),
        )
        for op_id, address, before, after in found
        if before is not None and after is not None and after.tree != "main" and after.revision == trees.tenant.head
    ]


def _undo_id(operation: Operation) -> str:
    return digest([operation.id, "undo"])[:16]


def forget_revisions(work: Work, run: Run, control: Connection, live: Survey, operations: Sequence[Operation]) -> None:
    """Revisions that no database is at any more count as never applied, so that their files can be mended.

    While a database cannot be seen, nothing is forgotten.
    """
    if live.unreachable:
        return
    graph, schemas = work.trees.tenant, of_type(live.state, Schema).values()
    used = {
        revision.id
        for schema in schemas
        if schema.tree != "main" and graph.knows(schema.revision)
        for revision in graph.path(None, schema.revision)
    }
    used |= {schema.halfway.partition(":")[0] for schema in schemas if schema.halfway}
    tried = {revision for o in operations if o.action == "migrate" for revision in o.revisions} - used
    with control.transaction():
        record.check_epoch(control, run.author.epoch)
        control.execute(
            "DELETE FROM tenantplan.revisions WHERE tree = 'tenant' AND revision = ANY(%s)", [sorted(tried)]
        )
