"""Passwords that are refused: what PostgreSQL or bcrypt would silently change, and what an attacker tries first (D12)."""

from __future__ import annotations

import re

MINIMUM = 12
KEY_MINIMUM = 20
_BCRYPT_LIMIT = 72
_COMMON = {"password", "changeme", "administrator", "superadmin", "letmein", "qwertyuiop", "welcome", "secret"}
_COMMON |= {"postgres", "postgresql", "tenantplan", "root", "admin", "default", "example", "azerty", "qwerty"}
_VERIFIER = re.compile(r"SCRAM-SHA-256\$|md5[0-9a-f]{32}\Z", re.IGNORECASE)


def weakness(password: str, user: str = "") -> str | None:
    """Why a password is refused, or None. The reason never repeats the password."""
    if not password:
        return "is empty"
    if "\0" in password:
        return "holds a NUL character, which PostgreSQL cannot store"
    if _VERIFIER.match(password):
        return "is a password hash, not a password: PostgreSQL would store it as it stands"
    if len(password) < MINIMUM:
        return f"is shorter than {MINIMUM} characters"
    base = re.sub(r"[^a-z]", "", password.lower())
    if base in _COMMON or len(set(password)) < 5:
        return "is one of the first an attacker tries"
    if user and user.lower() in password.lower() and len(password) < len(user) + MINIMUM:
        return "contains the user's name"
    return None


def bcrypt_weakness(password: str) -> str | None:
    """Why a password that is stored as a bcrypt hash is refused, or None: bcrypt ignores what comes after 72 bytes."""
    return weakness(password) or ("is longer than 72 bytes" if len(password.encode()) > _BCRYPT_LIMIT else None)


def key_weakness(key: str) -> str | None:
    """Why an API key is refused, or None: its hash has no salt and is fast, so that only randomness protects it."""
    if len(key) < KEY_MINIMUM:
        return f"is shorter than {KEY_MINIMUM} characters"
    return "is not random enough" if len(set(key)) < 10 else weakness(key)


def default_password(password: str, user: str) -> str | None:
    """Why a connection's password counts as a default one, or None. No password at all is the server's decision."""
    if not password:
        return None
    base = re.sub(r"[^a-z]", "", password.lower())
    if password.lower() == user.lower() or base in _COMMON or password.isdigit():
        return "is a default or trivial one"
    return None
