"""Names in a sentence, as many as one can read."""

from __future__ import annotations

from collections.abc import Sequence


def some(names: Sequence[str], shown: int) -> str:
    """The first `shown` names, and how many there are beside them: `a, b and 3 more`."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
