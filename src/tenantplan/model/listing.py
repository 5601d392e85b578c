"""Lists names in a sentence, cut to a readable number."""

from __future__ import annotations

from collections.abc import Sequence


def some(names: Sequence[str], shown: int, total: int | None = None) -> str:
    """The first `shown` names, and how many there are beside them: `a, b and 3 more`; `total` where `names` are not all."""
    count = len(names) if total is None else total
    more = f" and {count - shown} more" if count > shown else ""
    return ", ".join(names[:shown]) + more
