"""Events that applications wrote into `activity_log`, found by the same conditions as entries of tenantplan's own log."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from tenantplan.journal.read import Conditions
from tenantplan.model.audit import AuditEntry, Link
from tenantplan.model.moment import ordered
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query


@dataclass(frozen=True, slots=True)
class Event:
    """One row of activity_log, its ids as names where there still is something of that id. `at`: as in an Entry."""

    id: str
    at: str
    actor: str | None
    action: str
    subject: str | None
    organization: str | None
    team: str | None
    project: str | None
    metadata: Any
    ip_address: str | None

    def document(self) -> dict[str, Any]:
        """The event with every key of an audit entry; what only tenantplan's own log has is null."""
        return (
            dict.fromkeys((*AuditEntry.__slots__, "previous_hash", "hash")) | {"address": self.subject} | asdict(self)
        )


def find_events(connection: Connection, conditions: Conditions, limit: int) -> list[Event]:
    """The newest events that fit all conditions, newest first. A main database that is behind has none, nor has a run."""
    if conditions.run is not None or not _is_there(connection):
        return []
    return [Event(*row) for row in connection.execute(query("activity_found"), _parameters(conditions, limit))]


def find_event(connection: Connection, event: UUID) -> Event | None:
    """The event with this id."""
    if not _is_there(connection):
        return None
    statement = b"SELECT * FROM (" + query("activity_found") + b") found WHERE id = %(id)s"
    row = connection.execute(statement, _parameters(Conditions(), None) | {"id": str(event)}).fetchone()
    return Event(*row) if row else None


def newest_first(links: Iterable[Link], events: Iterable[Event], limit: int) -> list[Link | Event]:
    """Both logs in one, newest first; each keeps its own order."""
    both: list[Iterable[Link | Event]] = [links, events]
    return list(islice(heapq.merge(*both, key=_moment, reverse=True), limit))


def _moment(found: Link | Event) -> tuple[int, int, str]:
    return ordered(found.entry.at if isinstance(found, Link) else found.at)


def _is_there(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('public.activity_log') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _parameters(conditions: Conditions, limit: int | None) -> dict[str, Any]:
    return asdict(conditions) | {"limit": limit}
