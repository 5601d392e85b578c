"""SCRAM-SHA-256 verifiers as PostgreSQL keeps them: whether one is well formed, and whether it is a password's (RFC 5802, 7677).

`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the last three in base64. PostgreSQL takes whatever is not of this
form for a plain password, so a verifier is looked at before it is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass

from tenantplan.errors import SettingsError

_SHAPE = re.compile(r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
_KEY_BYTES = 32
_LONGEST = 512  # characters; PostgreSQL refuses longer ones
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


@dataclass(frozen=True, repr=False)
class ScramVerifier:
    """What a server keeps of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def parse(text: str) -> ScramVerifier:
    """The verifier in what pg_authid.rolpassword holds; SettingsError, without a word of it, when it is none."""
    found = _SHAPE.fullmatch(text)
    try:
        if found is None or len(text) > _LONGEST:
            raise ValueError
        salt, stored, server = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
        if len(stored) != _KEY_BYTES or len(server) != _KEY_BYTES or not salt:
            raise ValueError
        return ScramVerifier(int(found[1]), salt, stored, server)
    except (ValueError, binascii.Error):
        raise SettingsError(
            "this is not a SCRAM-SHA-256 verifier: PostgreSQL would take it for a plain password",
            hint="nothing was set",
        ) from None


def matches(verifier: ScramVerifier, password: str) -> bool:
    """Whether the verifier is that of the password, by its own salt and iterations."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), verifier.salt, verifier.iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    right = hmac.compare_digest(hashlib.sha256(client).digest(), verifier.stored_key)
    return hmac.compare_digest(server, verifier.server_key) and right


def checked(text: str, password: str) -> str:
    """The verifier as it stands, when it is well formed and the password's; else SettingsError."""
    if not matches(parse(text), password):
        raise SettingsError(
            "the SCRAM-SHA-256 verifier that libpq made does not match the password", hint="nothing was set"
        )
    return text


def prepared(password: str) -> bytes:
    """The password as client and server hash it: by SASLprep (RFC 4013), and as it stands where that refuses it.

    Like PostgreSQL's pg_saslprep, which looks for what is prohibited before it normalises.
    """
    raw = password.encode()
    if password.isascii():
        return raw
    mapped = [" " if stringprep.in_table_c12(c) else c for c in password if not _vanishes(c)]
    if not mapped or any(refuses(c) for c in mapped for refuses in _PROHIBITED):
        return raw
    right_to_left = [stringprep.in_table_d1(c) for c in mapped]
    if any(right_to_left) and (
        any(stringprep.in_table_d2(c) for c in mapped) or not right_to_left[0] or not right_to_left[-1]
    ):
        return raw
    return unicodedata.normalize("NFKC", "".join(mapped)).encode()


def _vanishes(character: str) -> bool:
    return stringprep.in_table_b1(character) and not stringprep.in_table_c12(character)
