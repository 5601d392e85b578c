"""What is left of an organization or tenant that is deleted, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tenantplan.errors import NotFound
from tenantplan.model.resource import Database, Row, State


@dataclass(frozen=True)
class Deleted:
    """`day` is when it was deleted, `purged` the first day that an apply purges it (ISO 8601, UTC). `tombstone` is the name that
    its database is kept under, "" where it had none of its own."""

    day: str
    purged: str
    tombstone: str

    @property
    def reason(self) -> str:
        """What there is to say of it, in one line."""
        return f"deleted {self.day}, can be restored until an apply purges it, from {self.purged} on"

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
    end = datetime.fromisoformat(row.retired_at) + timedelta(days=grace_days)
    kept = (r.name for r in state.values() if isinstance(r, Database) and r.holder == address and r.retired_at)
    return Deleted(row.retired_at[:10], f"{end:%Y-%m-%d}", next(kept, ""))
