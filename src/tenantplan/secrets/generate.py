"""New passwords, random, of characters that stand for themselves in a connection string, a shell and a file of variables."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
LENGTH = 32  # characters of 62: 190 bits


def new_password() -> str:
    """A password that nobody has had before."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
