"""Suggestions for misspelt words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tenantplan.model.listing import some

_MAX_WORD, _MAX_OPTIONS = 80, 5000  # comparing is quadratic: beyond these a guess costs more than it helps


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`did you mean ...?` for the option nearest to `word`, or "" when none is near."""
    candidates = list(options)
    if len(word) > _MAX_WORD or len(candidates) > _MAX_OPTIONS:
        return ""
    folded = {option.casefold(): option for option in candidates}
    near = difflib.get_close_matches(word.casefold(), folded, 1, 0.6)
    return f"did you mean `{folded[near[0]]}`?" if near else ""


def listing(options: Iterable[str]) -> str:
    """`a, b, c`, cut after twenty."""
    return some(list(options), 20)
