"""This machine's clock, which is asked for nothing but how far the server's is from it."""

from __future__ import annotations

from datetime import UTC, datetime


def machine_time() -> datetime:
    """The time on this machine, in UTC."""
    return datetime.now(UTC)
