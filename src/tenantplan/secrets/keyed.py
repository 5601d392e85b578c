"""A keyed hash tells whether a secret changed without storing or showing it.

The key is random, made with the main database and kept in `tenantplan.keys`: without it a hash in a plan file says nothing.
"""

from __future__ import annotations

import hmac


def keyed_hash(key: str, value: str) -> str:
    """The first 24 hex digits of HMAC-SHA256(key, value)."""
    return hmac.new(key.encode(), value.encode(), "sha256").hexdigest()[:24]


def fleet_id(key: str | None, fleet: str) -> str | None:
    """What tells a fleet from another of the same name, whose main database is another: a keyed hash of its name."""
    return keyed_hash(key, fleet)[:12] if key else None
