"""One revision of a migration tree, and what a database is at.

That is a position: the id of its newest revision, or, between the branches of a tree, several with commas between them, as
Alembic's version table holds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: its id, the ids it comes after (none: base), the first line of its docstring, its file and SHA-256.

    `preflight` is SQL that must return no row before it is applied. `reversible`: it says how it is taken back.
    """

    id: str
    down: tuple[str, ...]
    message: str
    path: Path
    digest: str
    preflight: tuple[str, ...] = ()
    reversible: bool = True


def position(heads: Iterable[str]) -> str | None:
    """The name of a position: its newest revisions, in order."""
    return ",".join(sorted(heads)) or None


def parts(name: str | None) -> tuple[str, ...]:
    """The newest revisions of a position."""
    return tuple(name.split(",")) if name else ()


def digest(source: bytes) -> str:
    """SHA-256 of a file's text in hex, the same for every newline convention a checkout may use."""
    return hashlib.sha256(source.replace(b"\r\n", b"\n")).hexdigest()
