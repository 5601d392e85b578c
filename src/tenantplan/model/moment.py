"""Times as they are read: ISO 8601 in UTC, or what PostgreSQL calls those that it does not say so. PURE.

PostgreSQL knows -infinity and infinity, years before the first and after the 9999th; they are read as its text.
"""

from __future__ import annotations

from datetime import datetime, timedelta


def iso_utc(moment: datetime) -> str:
    """A time in UTC as tenantplan writes it, to the second: "2027-01-31T00:00:00Z"."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ordered(text: str) -> tuple[int, int, str]:
    """A key that puts times in their order, whatever form they are read in."""
    if text == "-infinity" or text.endswith("BC"):
        return -1, 0, ""
    if text == "infinity":
        return 1, 0, ""
    year, _, rest = text.partition("-")
    return 0, int(year) if year.isdigit() else 0, rest


def after(text: str, period: timedelta) -> datetime | None:
    """The time that comes so much later; None: there is no such."""
    try:
        return datetime.fromisoformat(text) + period
    except (ValueError, OverflowError):
        return None


def shown_second(text: str) -> str:
    """The time to the second, for a person."""
    return f"{text[:19]}Z" if after(text, timedelta()) else text


def shown_day(text: str) -> str:
    """The day of a time, for a person."""
    return text[:10] if after(text, timedelta()) else text
