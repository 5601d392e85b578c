"""The stamp: what tenantplan writes in COMMENT ON DATABASE and COMMENT ON ROLE, so that one query of the shared
catalogs tells a plan whose a database is and what it holds, without a connection to it.

Format: the word `tenantplan` and a JSON object, for example
`tenantplan {"fleet":"demo","holder":"organization/msf","main":"tenantplan_main","revision":"9c1b"}`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping

PREFIX = "tenantplan "
# Prefixes of what tenantplan makes for itself: databases, and the logins that probe isolation.
MARK = "tp_"
NEW = f"{MARK}new_"
TEMPLATE = f"{MARK}template_"
TOMBSTONE = f"{MARK}deleted_"
LOCK = f"{MARK}lock_"
DATABASES = (NEW, TEMPLATE, TOMBSTONE, LOCK)
PROBE = f"{MARK}probe_"
ASIDE = "aside"  # the fact of a template's stamp that says why nothing is cloned from it any more


def encode(facts: Mapping[str, str | None]) -> str:
    """The comment that holds `facts`; None values are left out."""
    kept = {key: value for key, value in sorted(facts.items()) if value is not None}
    return PREFIX + json.dumps(kept, separators=(",", ":"))


def decode(comment: str | None) -> dict[str, str]:
    """The facts in a comment; empty when the comment is none of tenantplan's."""
    if not comment or not comment.startswith(PREFIX):
        return {}
    try:
        facts = json.loads(comment[len(PREFIX) :])
    except (ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in facts.items()} if isinstance(facts, dict) else {}


def packed(objects: Mapping[str, str]) -> str:
    """Objects by identity, as a template's stamp keeps them: JSON, deflated, in base64."""
    return base64.b64encode(zlib.compress(json.dumps(dict(objects)).encode())).decode()


def unpacked(text: str) -> dict[str, str]:
    """What `packed` wrote; empty when it is something else."""
    try:
        found = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
    except (ValueError, zlib.error):
        return {}
    return found if isinstance(found, dict) else {}
