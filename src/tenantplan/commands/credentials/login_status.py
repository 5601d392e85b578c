"""Logins with generated passwords: which role is current, since when, and when the next password is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tenantplan.desired import declare
from tenantplan.fleet.opening import Fleet
from tenantplan.live.current_servers import placed
from tenantplan.live.issued import read_logins
from tenantplan.model.login import CURRENT, PENDING, PREVIOUS
from tenantplan.model.moment import iso_utc
from tenantplan.planning.logins import Turn, turns
from tenantplan.postgres.connect import Connection


@dataclass(frozen=True)
class LoginStatus:
    """One login. `pending`: a new password is on its way, from a rotation that did not end. `former`: the role before, or
    sessions with the password before, may live until then; "" where there are none. Times are ISO 8601 in UTC."""

    holder: str
    role: str
    target: str
    set_at: str
    due_at: str
    due: bool
    pending: bool
    former: str

    def document(self) -> dict[str, Any]:
        """The login as JSON."""
        return {
            "holder": self.holder,
            "role": self.role,
            "target": self.target,
            "setAt": self.set_at or None,
            "dueAt": self.due_at or None,
            "due": self.due,
            "pending": self.pending,
            "formerUntil": self.former or None,
        }


def login_status(fleet: Fleet, connection: Connection) -> list[LoginStatus]:
    """Every login that is declared with a generated password, by holder; `connection` is one to the main database."""
    documents = declare.load_documents(fleet)
    desired = declare.declared(fleet, documents, placed(fleet, documents))
    there = connection.execute("SELECT to_regclass('public.database_logins') IS NOT NULL").fetchone()
    issued = read_logins(connection, fleet.settings.fleet) if there and there[0] else ()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    now = row[0] if row else datetime.now(UTC)
    return [_status(holder, turn, now) for holder, turn in sorted(turns(desired, issued).items())]


def _status(holder: str, turn: Turn, now: datetime) -> LoginStatus:
    current, previous, pending = turn.of(CURRENT), turn.of(PREVIOUS), turn.of(PENDING)
    due = turn.due
    over = None
    if previous is not None and previous.superseded_at is not None:
        over = turn.ends(previous.superseded_at)
    elif current is not None and current.sessions_left:
        over = turn.ends(current.set_at)
    return LoginStatus(
        holder=holder,
        role=current.role if current else turn.next_role,
        target=turn.login.target,
        set_at=current.set_at[:19] + "Z" if current else "",
        due_at=iso_utc(due) if due else "",
        due=due is not None and due <= now,
        pending=pending is not None,
        former=iso_utc(over) if over else "",
    )
