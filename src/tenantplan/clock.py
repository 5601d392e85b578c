"""This machine's clock, used only to measure how far the server's differs from it."""

from __future__ import annotations

from datetime import UTC, datetime


def machine_time() -> datetime:
    """The time on this machine, in UTC."""
    return datetime.now(UTC)
