"""An audit entry and the hash that chains it to the one before: SHA-256(previous hash ‖ canonical entry)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from tenantplan.model.encode import canonical

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
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

    def hash_after(self, previous: str) -> str:
        """The entry's hash when it follows an entry whose hash is `previous`."""
        return hashlib.sha256(previous.encode() + canonical(asdict(self))).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as stored: with the hash it says came before it, and its own."""

    entry: Entry
    previous_hash: str
    hash: str


def broken_at(links: Iterable[Link], anchor: str | None = None) -> tuple[int, str] | None:
    """The first bad sequence of a chain and why, or None when it is whole.

    `links` are in order of sequence and are looked at once, one by one. `anchor` is a hash that was the head at some
    time: a chain that does not contain it was cut or rewritten.
    """
    previous, expected = GENESIS, 1
    anchored = anchor is None or anchor == GENESIS
    for link in links:
        entry = link.entry
        if entry.sequence != expected:
            return expected, f"entry {expected} is missing"
        if link.previous_hash != previous:
            return entry.sequence, "does not follow the entry before it"
        if entry.hash_after(previous) != link.hash:
            return entry.sequence, "was edited: its content does not give its hash"
        previous, expected = link.hash, expected + 1
        anchored = anchored or link.hash == anchor
    if not anchored:
        return (
            expected,
            f"the log ends at entry {expected - 1} and does not contain the anchor: its tail was cut or rewritten",
        )
    return None


def text(document: object) -> str | None:
    """A JSON document as the text an entry keeps, None for None."""
    return None if document is None else canonical(document).decode()


def parsed(value: str | None) -> object:
    """The JSON document an entry's text holds."""
    return None if value is None else json.loads(value)
