"""Names: what a document, an e-mail address and a database may be called, and the names derived from them.

PostgreSQL cuts an identifier at 63 bytes without a word, so derived names are cut here, with a hash to
keep them apart.
"""

from __future__ import annotations

import hashlib
import re

from tenantplan.documents.characters import describe
from tenantplan.model.resource import INITIAL_DATABASES, MAX_NAME_BYTES
from tenantplan.model.stamp import DATABASES

NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
EMAIL = (
    r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
DATABASE = r"[a-z_][a-z0-9_]*"


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a tier, an organization or a tenant; None when nothing is."""
    strange = _strange(name)
    if strange:
        return strange
    if not re.fullmatch(NAME, name):
        return "a name is lower-case letters, digits and hyphens, with a letter or digit at both ends"
    if len(name) > MAX_NAME_BYTES:
        return f"a name is at most {MAX_NAME_BYTES} characters; this has {len(name)}"
    return f"`{name}` is PostgreSQL's own name" if name in INITIAL_DATABASES else None


def email_problem(email: str) -> str | None:
    """What is wrong with an e-mail address; None when nothing is. Quoted and international addresses are refused."""
    strange = _strange(email)
    if strange:
        return strange
    if len(email) > 254 or len(email.split("@", 1)[0]) > 64:
        return "an e-mail address is at most 254 characters, 64 of them before the @"
    if not re.fullmatch(EMAIL, email):
        return "this is not an e-mail address: letters, digits and . _ + - around one @"
    return None


def database_problem(name: str) -> str | None:
    """What is wrong with an explicit database name; None when nothing is."""
    strange = _strange(name)
    if strange:
        return strange
    if not re.fullmatch(DATABASE, name):
        return "a database name is lower-case letters, digits and underscores, and does not start with a digit"
    if len(name) > MAX_NAME_BYTES:
        return f"a database name is at most {MAX_NAME_BYTES} characters; this has {len(name)}"
    if name in INITIAL_DATABASES or name.startswith("pg_"):
        return f"`{name}` is one of PostgreSQL's own names"
    if name.startswith(DATABASES):
        return "names that start with " + ", ".join(DATABASES) + " are tenantplan's own"
    return None


def derive(prefix: str, name: str, suffix: str = "") -> str:
    """prefix + name + suffix with "-" as "_"; over 63 bytes it is cut, with 8 hex digits of its SHA-256 at the cut."""
    full = f"{prefix}{name.replace('-', '_')}{suffix}"
    if len(full.encode()) <= MAX_NAME_BYTES:
        return full
    tail = "_" + hashlib.sha256(f"{prefix}{name}{suffix}".encode()).hexdigest()[:8] + suffix
    kept = full[: len(full) - len(suffix)].encode()[: MAX_NAME_BYTES - len(tail.encode())]
    return kept.decode(errors="ignore") + tail


def _strange(name: str) -> str | None:
    """Names the first character that is not printable ASCII: look-alikes, line breaks, invisible ones."""
    if not name:
        return "a name cannot be empty"
    for character in name:
        if not "!" <= character <= "~":
            shown = f"`{character}` " if character.isprintable() and character != " " else ""
            return f"the character {shown}({describe(character)}) cannot be in a name: only printable ASCII can, and no space"
    return None
