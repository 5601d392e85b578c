"""An audit entry and the hash that chains it to the one before: SHA-256(previous hash ‖ canonical entry)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tenantplan.model.encode import canonical

GENESIS = "0" * 64


@dataclass(frozen=True)
class Actor:
    """Who runs: a git author, a CI run or a user of this machine, and the commit the manifest is at."""

    name: str
    host: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log. `at` is ISO 8601 in UTC with microseconds; before and after are canonical JSON texts."""

    sequence: int
    at: str
    run_id: str | None
    actor: str
    commit: str | None
    plan_digest: str | None
    address: str
    action: str
    organization: str | None
    before: str | None
    after: str | None
    result: str
    detail: str | None

    def document(self) -> dict[str, Any]:
        """The entry as a JSON object, in the order of its fields."""
        return {name: getattr(self, name) for name in self.__slots__}

    def hash_after(self, previous: str) -> str:
        """The entry's hash when it follows an entry whose hash is `previous`."""
        return hashlib.sha256(previous.encode() + canonical(self.document())).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as stored: with the hash it says came before it, and its own."""

    entry: AuditEntry
    previous_hash: str
    hash: str

    def to_bytes(self) -> bytes:
        """The line of an export: canonical JSON with `before` and `after` as the texts that were hashed, and a newline."""
        return canonical(self.entry.document() | {"previous_hash": self.previous_hash, "hash": self.hash}) + b"\n"


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry's hash as somebody noted it outside the database, and which entry that was, where they noted it."""

    hash: str
    sequence: int | None = None


def broken_at(links: Iterable[Link], anchors: Iterable[Anchor] = ()) -> tuple[int, str] | None:
    """The first sequence known to be bad and why, or None when the chain is whole.

    `links` are in order of sequence and are looked at once, one by one. A chain without one of the `anchors` was cut or
    rewritten; where it was rewritten, the first entry known to be bad is that of the first anchor after it.
    """
    numbered, unseen = _sorted(anchors)
    previous, expected, known = GENESIS, 1, 0
    for link in links:
        entry = link.entry
        if entry.sequence != expected:
            return expected, f"entry {expected} is missing"
        if link.previous_hash != previous:
            return entry.sequence, "does not follow the entry before it"
        if entry.hash_after(previous) != link.hash:
            return entry.sequence, "was edited: its content does not match its hash"
        noted = numbered.pop(entry.sequence, None)
        if noted is not None and noted != {link.hash}:
            return entry.sequence, f"is not the entry that an anchor names: the log was rewritten after entry {known}"
        unseen.discard(link.hash)
        previous, expected, known = link.hash, expected + 1, entry.sequence if noted else known
    if numbered or unseen:
        return (
            expected,
            f"the log ends at entry {expected - 1} and does not contain the anchor: its tail was cut or rewritten",
        )
    return None


def _sorted(anchors: Iterable[Anchor]) -> tuple[dict[int, set[str]], set[str]]:
    """The hashes by the sequence they are for, and those of which nobody noted it; the one before all entries is left out."""
    numbered: dict[int, set[str]] = {}
    unseen: set[str] = set()
    for anchor in anchors:
        if anchor.hash == GENESIS and not anchor.sequence:
            continue
        if anchor.sequence is None:
            unseen.add(anchor.hash)
        else:
            numbered.setdefault(anchor.sequence, set()).add(anchor.hash)
    return numbered, unseen


def text(document: object) -> str | None:
    """A JSON document as the text an entry keeps, None for None."""
    return None if document is None else canonical(document).decode()


def parsed(value: str | None) -> object:
    """The JSON document an entry's text holds."""
    return None if value is None else json.loads(value)


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
