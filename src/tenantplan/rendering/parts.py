"""What a view is made of. Values in here are redacted, but not yet escaped: that depends on where they are shown."""

from __future__ import annotations

from dataclasses import dataclass

# How an entry is marked, and the order in which entries of the same risk are shown.
SYMBOLS = {
    "-": "delete",
    ">": "move",
    "+": "create",
    "~": "update",
    "=": "grant",
    "^": "migrate",
}
COLORS = {"-": "red", ">": "magenta", "+": "green", "~": "yellow", "=": "blue", "^": "cyan"}
COLORS |= {"?": "yellow", "!": "red", "i": "blue", "z": "blue"}  # of remarks


@dataclass(frozen=True, slots=True)
class Field:
    """One line under an entry: `sign` is + - ~, or "" for a remark. A missing `before` or `after` is not shown."""

    sign: str
    label: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change as a person sees it: all operations of a declared object, or of a group of databases.

    `names` are the databases of a group. `shape` is what a new object has in common with others of its kind; "" for
    entries that are never summed up with others.
    """

    symbol: str
    title: str
    headline: str = ""
    fields: tuple[Field, ...] = ()
    statements: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    destructive: bool = False
    shape: str = ""


def counted(number: int, noun: str) -> str:
    """The number with its noun: "1 role", "1,200 roles"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters of the text, an ellipsis for the rest."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
