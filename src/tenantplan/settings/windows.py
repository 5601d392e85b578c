"""Change windows and freezes in the fleet file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from tenantplan.documents.envelope import LabelKey, LabelValue
from tenantplan.documents.spec import Spec
from tenantplan.documents.suggest import did_you_mean
from tenantplan.model.moment import iso_utc
from tenantplan.model.window import Freeze, Window, period

_DURATION = "([1-9][0-9]{0,3})([mhd])"
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MOMENT = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})"


def _schedule(text: str) -> str:
    period(text)
    return text


def _duration(text: str) -> str:
    if not re.fullmatch(_DURATION, text):
        raise ValueError("expected a number above 0 and m, h or d, such as 30m, 6h or 1d")
    return text


def _zone(text: str) -> str:
    zones = available_timezones() - {"localtime", "Factory"}
    if text not in zones:
        raise ValueError(f"there is no such time zone; {did_you_mean(text, zones) or 'for example: Europe/Paris'}")
    return text


def _moment(text: str) -> str:
    """A date and time with its offset, as UTC."""
    try:
        if not re.fullmatch(_MOMENT, text):
            raise ValueError
        return iso_utc(datetime.fromisoformat(text).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError("expected a date and time with an offset, such as 2026-12-19T18:00:00+01:00") from None


Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"pattern": f"^{_MOMENT}$"})]


class WindowSpec(Spec):
    """A change window: risky and destructive changes wait until it opens."""

    schedule: Annotated[str, Field(max_length=100), AfterValidator(_schedule)] = Field(
        description="When it opens: minute, hour, day of month, month, day of week, as in cron."
    )
    duration: Annotated[str, AfterValidator(_duration)] = Field(
        description="How long it is open: 30m, 6h, 1d.", json_schema_extra={"pattern": f"^{_DURATION}$"}
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field("UTC", description="Zone of the schedule's clock.")
    selector: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels (or tier, mode) of the organizations it is for; none: all that no other window is for.",
    )

    @model_validator(mode="after")
    def _closes(self) -> Self:
        least = period(self.schedule)
        if self.window.duration > least:
            every = str(least).removesuffix(", 0:00:00")
            raise ValueError(f"the window is longer than its period: it lasts {self.duration} and opens every {every}")
        return self

    @property
    def window(self) -> Window:
        """The window."""
        found = re.fullmatch(_DURATION, self.duration)
        assert found is not None
        return Window(self.schedule, timedelta(**{_UNITS[found[2]]: int(found[1])}), self.time_zone, self.selector)


class FreezeSpec(Spec):
    """A period without changes."""

    start: Moment | None = Field(None, alias="from", description="When it begins; default: it has begun.")
    until: Moment = Field(description="When it ends.")
    reason: str = Field(min_length=1, max_length=200, description="Reason; shown in the plan.")
    spared: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, alias="except", description="Labels (or tier, mode) of organizations that may change."
    )

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and self.until <= self.start:
            raise ValueError(f"the freeze ends at {self.until}, before it begins at {self.start}")
        return self

    @property
    def freeze(self) -> Freeze:
        """The freeze."""
        start = None if self.start is None else datetime.fromisoformat(self.start)
        return Freeze(datetime.fromisoformat(self.until), self.reason, start, self.spared)
