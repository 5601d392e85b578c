"""The journal and the audit log. Outcome and audit entry commit in the transaction of the effect they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from psycopg import sql
from psycopg.types.json import Json

from tenantplan.errors import Locked, TenantplanError
from tenantplan.failpoint import reach
from tenantplan.journal.author import Author
from tenantplan.journal.facts import Fact, connection_fact, fact
from tenantplan.model.audit import AuditEntry, text
from tenantplan.model.encode import to_json
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Row, afters
from tenantplan.model.rowtype import RowType, Tables
from tenantplan.postgres.connect import Connection

NONE: Mapping[Any, str] = MappingProxyType({})


def check_epoch(connection: Connection, epoch: int) -> None:
    """Holds the lease for this transaction; Locked when another run has taken over since."""
    row = connection.execute("SELECT epoch FROM tenantplan.lease WHERE id = 1 FOR SHARE").fetchone()
    if row is None or row[0] != epoch:
        raise Locked(
            "another run took over this fleet while this one was working; it writes nothing more",
            hint="see who: tenantplan status",
        )


def earlier_lives(connection: Connection, operations: Iterable[Operation], tables: Tables) -> dict[str, int]:
    """How often a row was made at the address of each operation that makes one of a kind whose data outlives it: an
    organization, a tenant, a project."""
    made = [o.address for o, row in afters(operations, Row) if o.before is None and tables[row.table].retired]
    rows = connection.execute(
        "SELECT address, count(*) FROM tenantplan.operations WHERE action = 'create' AND status IN ('done', 'recovered')"
        " AND address = ANY(%s) GROUP BY 1",
        [made],
    ).fetchall()
    return dict(rows)


def open_run(author: Author, connection: Connection, operations: Iterable[Operation]) -> None:
    """Journals the run and every operation it means to do, before the first effect."""
    with connection.transaction():
        check_epoch(connection, author.epoch)
        connection.execute(
            "INSERT INTO tenantplan.runs (id, status, actor, commit, plan_digest, plan_seal, tool_version, epoch)"
            " VALUES (%s, 'running', %s, %s, %s, %s, %s, %s)",
            [
                author.id,
                author.actor.name,
                author.actor.commit,
                author.digest,
                author.seal,
                author.tool_version,
                author.epoch,
            ],
        )
        _insert(author, connection, operations)


def add_operations(author: Author, connection: Connection, operations: Iterable[Operation]) -> None:
    """Journals further operations of a run that is open."""
    with connection.transaction():
        check_epoch(connection, author.epoch)
        _insert(author, connection, operations)


def _insert(author: Author, connection: Connection, operations: Iterable[Operation]) -> None:
    names = ["run_id", "op_id", "address", "action", "retire", "renamed_from", "before", "after"]
    _copy(connection, "operations", names, [(author.id, *journal_row(operation)) for operation in operations])


def journal_row(operation: Operation) -> tuple[str, str, str, bool, str | None, str | None, str | None]:
    """What the journal keeps of an operation, in the order of its columns."""
    before, after = text(to_json(operation.before)), text(to_json(operation.after))
    return (operation.id, operation.address, operation.action, operation.retire, operation.renamed_from, before, after)


def rewrite(author: Author, connection: Connection, operations: Iterable[Operation]) -> None:
    """Journals anew what operations that are not begun are to bring about."""
    rows = [(text(to_json(operation.after)), author.id, operation.id) for operation in operations]
    with connection.transaction(), connection.cursor() as cursor:
        check_epoch(connection, author.epoch)
        cursor.executemany("UPDATE tenantplan.operations SET after = %s WHERE run_id = %s AND op_id = %s", rows)


def close_run(
    author: Author, connection: Connection, status: str, applied: bool, kinds: Iterable[RowType] = ()
) -> None:
    """Ends the journal of a run; `applied` consumes its plan, so that the same file is not applied twice.

    The tables of `kinds` that the fleet declares itself are remembered, for readers that do not read the YAML.
    """
    with connection.transaction():
        check_epoch(connection, author.epoch)
        connection.execute(
            "UPDATE tenantplan.operations SET status = 'skipped', finished_at = now()"
            " WHERE run_id = %s AND status = 'pending'",
            [author.id],
        )
        connection.execute(
            "UPDATE tenantplan.runs SET status = %s, finished_at = now() WHERE id = %s", [status, author.id]
        )
        if applied:
            connection.execute(
                "INSERT INTO tenantplan.applied_plans (seal, digest, run_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [author.seal, author.digest, author.id],
            )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO tenantplan.resource_kinds (relation, managed_by, definition) VALUES (%s, %s, %s)"
                " ON CONFLICT (relation) DO UPDATE SET definition = excluded.definition",
                [(rowtype.table, author.fleet, Json(rowtype.document())) for rowtype in kinds],
            )
            cursor.executemany(
                "DELETE FROM tenantplan.resource_kinds"
                " WHERE managed_by = %s AND definition ->> 'kind' = %s AND relation <> %s",
                [(author.fleet, rowtype.kind, rowtype.table) for rowtype in kinds],
            )


def intend(author: Author, connection: Connection, operations: Sequence[Operation]) -> None:
    """Commits that these are about to happen outside the main database's transaction."""
    with connection.transaction():
        check_epoch(connection, author.epoch)
        _mark(author, connection, operations, "running", None)
    reach("intent-recorded")


def done(
    author: Author,
    connection: Connection,
    operations: Sequence[Operation],
    *,
    connected: bool = False,
    undoes: Mapping[str, str] = NONE,
    digests: Mapping[tuple[str, str], str] = NONE,
) -> None:
    """Closes the journal of operations and audits them, in the current transaction.

    `connected`: a connection to their database was made for them, which is audited too. `undoes` maps operations that take
    something back to those that did it, `digests` (tree, revision) to the digest of its file.
    """
    _mark(author, connection, operations, "done", None)
    _mark_undone(connection, [undoes[o.id] for o in operations if o.id in undoes])
    _record_revisions(connection, operations, digests)
    reach("journal-closed")
    attempts = [connection_fact(operation, "done") for operation in operations if connected]
    audit(author, connection, attempts + [fact(operation, "done") for operation in operations])
    reach("audit-written")


def failed(
    author: Author, connection: Connection, operation: Operation, status: str, error: str, *, connected: bool
) -> None:
    """Records that an operation did not happen, and why; not `connected`: the connection attempt is audited as such."""
    with connection.transaction():
        check_epoch(connection, author.epoch)
        _mark(author, connection, [operation], status, error)
        attempt = [] if connected else [connection_fact(operation, "failed", error)]
        audit(author, connection, [*attempt, fact(operation, status, error)])


def attempted(author: Author, connection: Connection, attempts: Sequence[tuple[Operation, str | None]]) -> None:
    """Audits connections that were made to look into databases: the operation each was made for, and why it failed, if it did."""
    if not attempts:
        return
    with connection.transaction():
        if author.epoch:
            check_epoch(connection, author.epoch)
        facts = [connection_fact(o, "failed" if error else "done", error) for o, error in attempts]
        audit(author, connection, facts)


def skipped(author: Author, connection: Connection, operations: Sequence[Operation]) -> None:
    """Records that operations were not begun."""
    with connection.transaction():
        check_epoch(connection, author.epoch)
        _mark(author, connection, operations, "skipped", None)


def audit(author: Author, connection: Connection, facts: Sequence[Fact]) -> None:
    """Appends entries to the chain. The head row is locked until the transaction ends, so entries never fork."""
    if not facts:
        return
    head = connection.execute("SELECT sequence, hash FROM tenantplan.audit_head WHERE id = 1 FOR UPDATE").fetchone()
    if head is None:
        raise TenantplanError(
            "the audit log has lost its head row, so nothing can be recorded",
            where=f"database {connection.info.dbname}, table tenantplan.audit_head",
            hint="somebody deleted it: see tenantplan audit verify --anchor HASH, then put it back from a backup, or, if the log is"
            " whole: INSERT INTO tenantplan.audit_head (id, sequence, hash)"
            " SELECT 1, sequence, hash FROM tenantplan.audit_log ORDER BY sequence DESC LIMIT 1",
        )
    sequence, previous = head
    rows = []
    for item in facts:
        sequence += 1
        entry = AuditEntry(
            sequence=sequence,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            run_id=author.id,
            actor=author.actor.name,
            commit=author.actor.commit,
            plan_digest=author.digest,
            address=item.address,
            action=item.action,
            organization=item.organization,
            before=item.before,
            after=item.after,
            result=item.result,
            detail=item.detail,
        )
        current = entry.hash_after(previous)
        rows.append((*entry.document().values(), previous, current))
        previous = current
    _copy(connection, "audit_log", _NAMES, rows)
    connection.execute("UPDATE tenantplan.audit_head SET sequence = %s, hash = %s WHERE id = 1", [sequence, previous])


_NAMES = [*(f.name for f in fields(AuditEntry)), "previous_hash", "hash"]


def _copy(connection: Connection, table: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Appends rows to a table of the journal; a run of hundreds of organizations has thousands of them."""
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    target = sql.SQL("COPY tenantplan.{} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with connection.cursor() as cursor, cursor.copy(target) as copy:
        for row in rows:
            copy.write_row(row)


_MARK = (
    "UPDATE tenantplan.operations SET status = %(status)s, error = %(error)s, started_at = coalesce(started_at, now()),"
    " finished_at = CASE WHEN %(status)s <> 'running' THEN now() END WHERE run_id = %(run)s AND op_id = ANY(%(ids)s)"
)


def _mark(
    author: Author, connection: Connection, operations: Sequence[Operation], status: str, error: str | None
) -> None:
    ids = [operation.id for operation in operations]
    connection.execute(_MARK, {"status": status, "error": error, "run": author.id, "ids": ids})


def _mark_undone(connection: Connection, originals: Sequence[str]) -> None:
    """What was taken back does not count as done any more, by whichever run it was."""
    if originals:
        connection.execute(
            "UPDATE tenantplan.operations SET status = 'abandoned'"
            " WHERE op_id = ANY(%s) AND status IN ('done', 'recovered')",
            [list(originals)],
        )


def _record_revisions(
    connection: Connection, operations: Sequence[Operation], digests: Mapping[tuple[str, str], str]
) -> None:
    """Keeps the digest of each revision's file as it was applied, so that an edit of it is noticed later."""
    rows = {
        (tree, revision, digests[(tree, revision)])
        for operation in operations
        for revision in operation.revisions
        for tree in ("main", "tenant")
        if (tree, revision) in digests and tree == _tree(operation)
    }
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tenantplan.revisions (tree, revision, digest) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            sorted(rows),
        )


def _tree(operation: Operation) -> str:
    return "main" if getattr(operation.after, "tree", "tenant") == "main" else "tenant"
