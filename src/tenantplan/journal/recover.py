"""Settles what an interrupted run left open: by what exists now, not by what the run recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psycopg

from tenantplan.journal import record
from tenantplan.journal.author import Author
from tenantplan.journal.facts import Fact
from tenantplan.model.audit import parsed, text
from tenantplan.model.encode import from_json, to_json
from tenantplan.model.resource import Resource
from tenantplan.model.stamp import NEW
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.databases import drop_database


@dataclass(frozen=True)
class Open:
    """An operation that was begun and not closed: its journal key and what it was to bring about."""

    run_id: str
    op_id: str
    address: str
    action: str
    retire: bool
    renamed_from: str | None
    before: Resource | None
    after: Resource | None

    @property
    def subject(self) -> Resource:
        """What it is about: what is to be there, or, where that is nothing, what was."""
        subject = self.after or self.before
        assert subject is not None, "an operation is about something"
        return subject


def dead_runs(connection: Connection) -> list[str]:
    """Ids of runs that are journaled as running; whoever asks holds the lock, so they are dead."""
    return [
        row[0] for row in connection.execute("SELECT id::text FROM tenantplan.runs WHERE status = 'running'").fetchall()
    ]


def open_operations(connection: Connection, runs: list[str]) -> list[Open]:
    """Operations of dead runs whose effect may or may not have happened."""
    rows = connection.execute(
        "SELECT run_id::text, op_id, address, action, retire, renamed_from, before::text, after::text"
        " FROM tenantplan.operations WHERE run_id = ANY(%s::uuid[])"
        " AND (status = 'running' OR (status = 'pending' AND action = 'migrate')) ORDER BY seq",
        [runs],
    ).fetchall()
    return [Open(r[0], r[1], r[2], r[3], r[4], r[5], journaled(r[6]), journaled(r[7])) for r in rows]


def journaled(text: str | None) -> Resource | None:
    """The resource that the journal keeps as text."""
    document = parsed(text)
    return from_json(document) if isinstance(document, dict) else None


def settle(
    author: Author, connection: Connection, opened: list[Open], runs: list[str], happened: Callable[[Open], bool]
) -> int:
    """Closes what dead runs left open and audits, once, each effect that `happened`; returns how many did."""
    kept = [item for item in opened if happened(item)]
    with connection.transaction():
        record.check_epoch(connection, author.epoch)
        for item in kept:
            connection.execute(
                "UPDATE tenantplan.operations SET status = 'recovered', finished_at = now() WHERE run_id = %s AND op_id = %s",
                [item.run_id, item.op_id],
            )
        connection.execute(
            "UPDATE tenantplan.operations SET status = 'abandoned', finished_at = now()"
            " WHERE run_id = ANY(%s::uuid[]) AND status IN ('pending', 'running')",
            [runs],
        )
        record.audit(author, connection, [_fact(item) for item in kept])
        connection.execute(
            "UPDATE tenantplan.runs SET status = 'abandoned', finished_at = now() WHERE id = ANY(%s::uuid[])", [runs]
        )
    return len(kept)


def _fact(item: Open) -> Fact:
    return Fact(
        address=item.address,
        action="retire" if item.retire else item.action,
        result="recovered",
        before=text(to_json(item.before)),
        after=text(to_json(item.after)),
        detail=f"done by run {item.run_id}, which was interrupted",
    )


def unfinished_creations(connection: Connection, runs: list[str]) -> list[str]:
    """Temporary names of databases that dead runs may have been making."""
    rows = connection.execute(
        "SELECT op_id FROM tenantplan.operations WHERE run_id = ANY(%s::uuid[]) AND action = 'create'"
        " AND status IN ('pending', 'running') AND after ->> 'type' = 'database'",
        [runs],
    ).fetchall()
    return [NEW + row[0] for row in rows]


def collect(connector: Connector, aliases: Iterable[str], names: list[str]) -> None:
    """Drops the temporary databases that dead runs were making."""
    if not names:
        return
    for alias in aliases:
        with connector.connect(alias) as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", [names]).fetchall()
            for (name,) in found:
                try:
                    drop_database(connection, name)
                except psycopg.errors.InsufficientPrivilege:
                    continue  # another role's: not of this fleet
