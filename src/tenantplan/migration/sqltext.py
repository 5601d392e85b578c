"""What a statement's text says about transactions, seen past its comments, strings and quoted names."""

from __future__ import annotations

import re

_OPAQUE = re.compile(
    r"""--[^\n]* | /\*.*?\*/
      | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$""",
    re.DOTALL | re.VERBOSE,
)
_TRANSACTION = re.compile(
    r"(?:begin|commit|end|abort|start\s+transaction|prepare\s+transaction|rollback(?!(?:\s+\w+)?\s+to\b))\b",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(
    r"(?!refresh\b).*\bconcurrently\b|vacuum\b|(?:create|drop)\s+(?:database|tablespace)\b|alter\s+system\b",
    re.IGNORECASE | re.DOTALL,
)


def bare(text: str) -> str:
    """The text with comments, strings and quoted names blanked out."""
    return _OPAQUE.sub(" ", text).strip()


def obstacle(text: str) -> str:
    """Why a text cannot run inside one transaction with others, or "" when it can."""
    seen = bare(text)
    atomic = re.search(r"\bbegin\s+atomic\b", seen, re.IGNORECASE) is not None
    for statement in map(str.strip, seen.split(";")):
        if _TRANSACTION.match(statement) and not (atomic and statement.lower() == "end"):
            return f"begins or ends a transaction itself ({statement.split()[0].upper()})"
        if _OUTSIDE.match(statement):
            return "runs a statement that PostgreSQL allows only outside a transaction"
    return ""
