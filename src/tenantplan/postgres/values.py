"""Removes data values from the server's error messages."""

from __future__ import annotations

import re

# Values stand in these messages in quotes of the server's language, or are numbers; those in brackets are of a type.
_QUOTED = re.compile(
    r"""["'`\u00ab\u00bb\u2018-\u201f\u2039\u203a\u300c-\u300f].*["'`\u00ab\u00bb\u2018-\u201f\u2039\u203a\u300c-\u300f]""",
    re.S,
)
_NUMBER = re.compile(r"(?<![\w(])-?\d[\d.,:+-]*")


def without_values(said: str) -> str:
    """A message of class 22 (data exception), with an ellipsis for each value in it."""
    return _NUMBER.sub("…", _QUOTED.sub("…", said))
