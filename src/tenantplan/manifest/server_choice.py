"""Chooses the server of a database whose document names none: weighted rendezvous hashing.

Every server draws a number for a subject and the highest wins. A server's draw depends on nothing but the subject, its own
name and its own weight, so that another one that comes or goes changes the choice of its own share only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

from tenantplan.documents import Document
from tenantplan.manifest.fields import TaggedServer, requested_tags
from tenantplan.manifest.marks import Path

_BITS = 52  # so many and a half fit into a float exactly: never 0, never 1
_SERVERS: Mapping[str, Path] = {
    "Tier": ("defaults", "database", "server"),
    "Organization": ("database", "server"),
    "Tenant": ("database", "server"),
}


def choose(subject: str, weights: Mapping[str, int]) -> str | None:
    """The server for a subject out of those with a weight, in proportion to it; None when no weight is above 0."""
    draws = {name: _draw(f"{subject}/{name}", weight) for name, weight in weights.items() if weight > 0}
    return max(draws, key=lambda name: (draws[name], name), default=None)


def _draw(text: str, weight: int) -> float:
    """A number above 0 from the SHA-256 of a text: of several such, each is the highest as often as its weight says."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _BITS)
    return -weight / math.log((number + 0.5) / 2**_BITS)


def named(document: Document) -> tuple[Path, str | TaggedServer | None]:
    """The server that a document itself asks for, and the path where it does."""
    path = _SERVERS.get(document.kind, ())
    value: object = document.spec
    for step in path:
        value = getattr(value, str(step), None)
    return ("spec", *path), value if isinstance(value, (str, TaggedServer)) else None


def chooses(documents: Iterable[Document]) -> bool:
    """Whether any document leaves the choice of a server open, so that it matters where databases are already."""
    return any(requested_tags(named(document)[1]) is not None for document in documents)
