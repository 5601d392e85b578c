"""Which minor releases of PostgreSQL have no known hole, as of the day on which releases.json beside this was made."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table() -> dict[str, Any]:
    text = files(__package__).joinpath("releases.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def holes(version_num: int) -> str | None:
    """What is known to be open in a server_version_num, and the release that mends it; None for one that is not in the table."""
    table = _table()
    major, minor = divmod(version_num, 10_000)
    oldest = table["oldest"].get(str(major))
    if oldest is None or minor >= oldest:
        return None
    return f"{table['named']} and others are open, mended in {major}.{oldest} (known on {table['made']})"
