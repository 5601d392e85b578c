"""What is to be done, but not yet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Deferral:
    """An operation that waits: `until` is the earliest time it may run (ISO 8601, UTC), `why` what keeps it.

    `zone` is the time zone of those who said when.
    """

    address: str
    action: str
    summary: str
    until: str
    zone: str
    why: str

    @property
    def when(self) -> str:
        """`until` by the clock of its zone: "Mon 2026-11-23 22:00 Europe/Paris"."""
        return f"{datetime.fromisoformat(self.until).astimezone(ZoneInfo(self.zone)):%a %Y-%m-%d %H:%M} {self.zone}"

    def document(self) -> dict[str, str]:
        """The deferral as JSON."""
        return asdict(self)
