"""Refuses passwords that PostgreSQL or bcrypt would silently change, and those that are easily guessed."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable

MINIMUM = 12
KEY_MINIMUM = 20
SIGNING_MINIMUM = 32
LICENSE_MINIMUM = 16
_BCRYPT_LIMIT = 72
_COMMON = {"password", "changeme", "administrator", "superadmin", "letmein", "qwertyuiop", "welcome", "secret"}
_COMMON |= {"postgres", "postgresql", "tenantplan", "root", "admin", "default", "example", "azerty", "qwerty"}
# Words that a longer password may hold, but only beside enough of its own; names shorter than this are not looked for in it.
_SHORTEST_WORD = 4
_OWN = 8
_WORDS = _COMMON | {
    "mongo",
    "mongodb",
    "mysql",
    "mariadb",
    "redis",
    "minio",
    "oracle",
    "supabase",
    "database",
    "docker",
}
_WORD_AND_NUMBER = re.compile(r"[a-z]{1,20}[^a-z0-9]*(0*123[0-9]*|0+|1+|(19|20)[0-9]{2})[^a-z0-9]*")
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


def guessable(password: str, names: Iterable[str] = ()) -> str | None:
    """Why somebody who knows the system guesses a password, or None: it is a word and a number, or little more than a
    well-known word or one of `names`, such as those of the fleet, its database and the role."""
    text = password.lower()
    if _WORD_AND_NUMBER.fullmatch(text):
        return "is a word and a number, one of the first an attacker tries"
    if _remaining(text, _WORDS) < _OWN:
        return "is little more than a well-known word"
    parts = {part for name in names for part in (name.lower(), *re.split(r"[^a-z0-9]+", name.lower()))}
    if _remaining(text, parts) < _OWN:
        return "contains the name of the system or of the role"
    return None


def _remaining(text: str, words: Iterable[str]) -> int:
    """How many characters are left without these words; as many as anybody asks for, where it holds none of them."""
    left = text
    for word in sorted((word for word in words if len(word) >= _SHORTEST_WORD), key=len, reverse=True):
        left = left.replace(word, "")
    return len(left) if left != text else _OWN


def signing_weakness(secret: str) -> str | None:
    """Why a secret that signs sessions or tokens is refused, or None: who guesses it can be anybody."""
    if len(secret) < SIGNING_MINIMUM:
        return f"is shorter than {SIGNING_MINIMUM} characters"
    return "is not random enough" if len(set(secret)) < 10 else None


def bcrypt_weakness(password: str) -> str | None:
    """Why a password that is stored as a bcrypt hash is refused, or None: bcrypt ignores what comes after 72 bytes."""
    return weakness(password) or ("is longer than 72 bytes" if len(password.encode()) > _BCRYPT_LIMIT else None)


def key_weakness(key: str) -> str | None:
    """Why an API key is refused, or None: its hash has no salt and is fast, so that only randomness protects it."""
    if len(key) < KEY_MINIMUM:
        return f"is shorter than {KEY_MINIMUM} characters"
    return "is not random enough" if len(set(key)) < 10 else weakness(key)


def license_weakness(key: str) -> str | None:
    """Why the key of a licence is refused, or None: who guesses one has the licence."""
    if len(key) < LICENSE_MINIMUM:
        return f"is shorter than {LICENSE_MINIMUM} characters"
    if "\0" in key:
        return "holds a NUL character, which PostgreSQL cannot store"
    return "is not random enough" if len(set(key)) < 6 else None


def default_password(password: str, user: str, names: Iterable[str] | None = None) -> str | None:
    """Why a connection's password counts as a default one, or None. No password at all is the server's decision.

    `names` are those that it must not be made of; None: this is a fleet to try things with.
    """
    if not password:
        return None
    base = re.sub(r"[^a-z]", "", password.lower())
    if password.lower() == user.lower() or base in _COMMON or password.isdigit():
        return "is a default or trivial one"
    return None if names is None else guessable(password, (user, *names))


ALPHABET = string.ascii_letters + string.digits


READABLE = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"  # Crockford's: none is taken for another


LENGTH = 32  # characters of 62: 190 bits


def new_password() -> str:
    """A password that nobody has had before."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def generated_value(bytes_: int, kind: str) -> str:
    """A new value: random bytes in base64url, or the key of a licence, in groups that people read out."""
    if kind != "key":
        return secrets.token_urlsafe(bytes_)
    return "-".join("".join(secrets.choice(READABLE) for _ in range(5)) for _ in range(5))
