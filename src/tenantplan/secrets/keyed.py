"""A keyed hash tells whether a secret changed without storing or showing it.

The key is random, made with the main database and kept in `tenantplan.keys`: without it a hash in a plan file says nothing.
"""

from __future__ import annotations

import hmac


def keyed_hash(key: str, value: str) -> str:
    """The first 24 hex digits of HMAC-SHA256(key, value)."""
    return hmac.new(key.encode(), value.encode(), "sha256").hexdigest()[:24]
