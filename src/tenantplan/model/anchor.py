"""Anchors: the head of the audit log as one line for a place outside the database, and what such a place gives back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tenantplan.model.audit import Anchor

_WORD = "tenantplan-audit"
_HASH = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(
    rf"{_WORD} fleet=(?P<fleet>\S+) system=(?P<system>\d+) database=(?P<database>\S+)"
    r" sequence=(?P<sequence>\d{1,18}) hash=(?P<hash>[0-9a-f]{64}) time=(?P<time>\S+)"
)


@dataclass(frozen=True)
class Head:
    """The newest entry of a log: of which fleet, server and database, and when it was looked at (UTC)."""

    fleet: str
    system: str
    database: str
    sequence: int
    hash: str
    time: str

    def line(self) -> str:
        """The head in one line."""
        return (
            f"{_WORD} fleet={self.fleet} system={self.system} database={self.database}"
            f" sequence={self.sequence} hash={self.hash} time={self.time}"
        )


def anchors(text: str, fleet: str) -> list[Anchor]:
    """The anchors in a text: hashes, lines or JSON of `audit anchor`, lines of `audit export`; others are passed over.

    ValueError, which says what is wrong, for one that is damaged or another fleet's, and when there is none.
    """
    found = [anchor for line in _lines(text) for anchor in _read(line.strip(), fleet)]
    if not found:
        raise ValueError("holds no anchor")
    return found


def _lines(text: str) -> Iterator[str]:
    """The text line by line, but whole where it is one JSON document of several lines."""
    if text.lstrip().startswith("{\n"):
        yield " ".join(text.split("\n"))
    else:
        yield from text.splitlines()


def _read(line: str, fleet: str) -> Iterator[Anchor]:
    if _HASH.fullmatch(line):
        yield Anchor(line)
    elif line.startswith(_WORD):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("holds a damaged anchor")
        yield _anchor(match.groupdict() | {"sequence": int(match["sequence"])}, fleet)
    elif line.startswith("{"):
        try:
            document = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            raise ValueError("holds a line that is not whole JSON, or a key twice in one object") from None
        yield _anchor(document, fleet)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys all stand once: readers disagree about which of two values counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _anchor(document: dict[str, object], fleet: str) -> Anchor:
    sequence, noted = document.get("sequence"), document.get("hash")
    if type(sequence) is not int or sequence < 0 or not isinstance(noted, str) or not _HASH.fullmatch(noted):
        raise ValueError("holds JSON that is neither of audit anchor nor of audit export")
    if document.get("fleet", fleet) != fleet:
        raise ValueError(f"is of the fleet {document['fleet']}, this is {fleet}")
    return Anchor(noted, sequence)
