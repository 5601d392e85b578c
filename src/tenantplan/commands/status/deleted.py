"""What remains of a deleted organization or tenant, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tenantplan.errors import NotFound
from tenantplan.model.moment import after, shown_day
from tenantplan.model.resource import Database, Row, State, of_type


@dataclass(frozen=True)
class Deleted:
    """`day` is when it was deleted, `purged` the first day that an apply purges it (ISO 8601, UTC; "": none does). `tombstone` is
    the name that its database is kept under, "" where it had none of its own."""

    day: str
    purged: str
    tombstone: str

    @property
    def reason(self) -> str:
        """What there is to say of it, in one line."""
        until = f"until an apply purges it, from {self.purged} on" if self.purged else "and is never purged"
        return f"deleted {self.day}, can be restored {until}"

    def error(self, address: str) -> NotFound:
        """What somebody is told who wants to use it."""
        kept = f": its database is kept as {self.tombstone}, closed" if self.tombstone else ""
        return NotFound(
            f"{address} was {self.reason}{kept}",
            hint="with state: active in its document, tenantplan plan prints the `metadata.restore` line that brings it back",
        )


def deleted(address: str, row: Row, state: State, grace_days: int) -> Deleted | None:
    """What is left of a live row that was deleted; None for one that was not."""
    if row.retired_at is None:
        return None
    end = after(row.retired_at, timedelta(days=grace_days))
    kept = (d.name for d in of_type(state, Database).values() if d.holder == address and d.retired_at)
    return Deleted(shown_day(row.retired_at), f"{end:%Y-%m-%d}" if end else "", next(kept, ""))
