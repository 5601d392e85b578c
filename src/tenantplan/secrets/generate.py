"""New passwords, random, of characters that stand for themselves in a connection string, a shell and a file of variables."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
READABLE = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"  # Crockford's: none is taken for another
LENGTH = 32  # characters of 62: 190 bits


def new_password() -> str:
    """A password that nobody has had before."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def made_up(bytes_: int, kind: str) -> str:
    """A new value: random bytes in base64url, or the key of a licence, in groups that people read out."""
    if kind != "key":
        return secrets.token_urlsafe(bytes_)
    return "-".join("".join(secrets.choice(READABLE) for _ in range(5)) for _ in range(5))
