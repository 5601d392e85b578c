"""When changes may be made: windows that open by a schedule, and a freeze. PURE: `now` is an argument, moments are in UTC.

A schedule is read by the clock of its zone, as cron does: a start that the change to summer time skips is at the next minute
there is; where the change to winter time repeats an hour, a start is in the first, but with `*` for minutes or hours in both.
A duration is elapsed time: six hours are six hours in those nights, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIRST, _LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)  # with two leap years
_STARTS = 1000  # enough of them to show the least distance, even of a schedule with 23 a day on two days of a month

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """A time for changes: it opens at each `schedule` (cron, five fields) of a `zone`, for a `duration`.

    `selector` are labels of the organizations it is for; none: it is for all that no other window is for.
    """

    schedule: str
    duration: timedelta
    zone: str = "UTC"
    selector: Labels = field(default_factory=dict)

    def opening(self, now: datetime) -> datetime:
        """`now` while the window is open, else when it opens next."""
        return next(max(start, now) for start in self._starts(now) if start + self.duration > now)

    def _starts(self, now: datetime) -> Iterator[datetime]:
        early = (now - self.duration).astimezone(ZoneInfo(self.zone))
        return (start.astimezone(UTC) for start in CronSim(self.schedule, early))


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time without changes, of all but the organizations that have the labels `spared` (none: of all)."""

    until: datetime
    reason: str
    start: datetime | None = None
    spared: Labels = field(default_factory=dict)

    def holds(self, moment: datetime) -> bool:
        """Whether nothing may change at that moment."""
        return (self.start is None or self.start <= moment) and moment < self.until


@dataclass(frozen=True, slots=True)
class Rules:
    """When a fleet may be changed."""

    windows: tuple[Window, ...] = ()
    freeze: Freeze | None = None

    @property
    def keys(self) -> frozenset[str]:
        """Names of the labels that they ask for."""
        asked = [window.selector for window in self.windows] + ([self.freeze.spared] if self.freeze else [])
        return frozenset(key for selector in asked for key in selector)


def fits(selector: Labels, labels: Labels) -> bool:
    """Whether something with these labels is meant; a selector without labels means nothing in particular."""
    return bool(selector) and selector.items() <= labels.items()


def period(schedule: str) -> timedelta:
    """The least time between two starts, by the clock; ValueError for what is no schedule, or hardly ever starts."""
    if len(schedule.split()) != 5:
        raise ValueError("expected five fields: minute, hour, day of month, month, day of week")
    try:
        starts = takewhile(lambda start: start < _LAST, islice(CronSim(schedule, _FIRST), _STARTS))
        return min(later - earlier for earlier, later in pairwise(starts))
    except CronSimError as error:
        raise ValueError(f"not a cron schedule: {str(error).lower()}") from error
    except ValueError as error:  # min of nothing
        raise ValueError("it starts less than twice in eight years") from error


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
