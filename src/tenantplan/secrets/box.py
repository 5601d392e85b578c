"""Encryption of credentials at rest: XSalsa20-Poly1305 (libsodium's secretbox), one key for each value's place.

Stored: version (1 byte, now 1), key id (8 bytes), nonce (24 bytes), box. The key of a box is derived with BLAKE2b from the
master key and the place of the value (table, row id, column), so that what is moved to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from tenantplan.errors import SettingsError, TenantplanError
from tenantplan.model.encode import canonical

PREFIX = "base64:"
MASTER_BYTES = 32
_VERSION = 1
_KEY_ID = 8
_NONCE = 24


@dataclass(frozen=True)
class CredentialPlace:
    """Where an encrypted value is stored: table, id of the row, column."""

    relation: str
    row_id: str
    column: str

    def __str__(self) -> str:
        return f"{self.relation}.{self.column} of row {self.row_id}"


class Refused(TenantplanError):
    """A stored value that does not open: it was changed, moved or put back, or its key is not known."""


@dataclass(frozen=True, repr=False)
class Vault:
    """Encrypts with the current master key, decrypts with that or a former one."""

    current: bytes
    former: tuple[bytes, ...] = ()

    @property
    def key_id(self) -> str:
        """The id of the current key, 16 hex digits: it says nothing about the key."""
        return _identifier(self.current).hex()

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of every key at hand."""
        return frozenset(_identifier(key).hex() for key in (self.current, *self.former))

    def seal(self, place: CredentialPlace, value: str) -> bytes:
        """The value as it is stored; never the same bytes twice."""
        from nacl.secret import SecretBox

        sealed = SecretBox(_derived(self.current, place)).encrypt(value.encode())
        return bytes([_VERSION]) + _identifier(self.current) + bytes(sealed)

    def open(self, place: CredentialPlace, stored: bytes) -> str:
        """The value; Refused when it was not sealed for this place, was changed, or needs a key that is not there."""
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox

        if len(stored) < 1 + _KEY_ID + _NONCE + 16 or stored[0] != _VERSION:
            raise Refused("this is not something tenantplan encrypted", where=str(place), hint=_AGAIN)
        known = {_identifier(key): key for key in (*self.former, self.current)}
        key = known.get(stored[1 : 1 + _KEY_ID])
        if key is None:
            raise Refused(
                f"it was encrypted under key {key_of(stored)}, which is not available here",
                where=str(place),
                hint="name that key in credentials.formerKeys of the fleet file",
            )
        try:
            return SecretBox(_derived(key, place)).decrypt(stored[1 + _KEY_ID :]).decode()
        except (CryptoError, UnicodeDecodeError):
            raise Refused(
                "it cannot be decrypted: it was changed, or belongs to another row", where=str(place), hint=_AGAIN
            ) from None


_AGAIN = "apply again: it stores the value that the YAML refers to"


def key_of(stored: bytes) -> str:
    """The id of the key that something was encrypted under."""
    return stored[1 : 1 + _KEY_ID].hex()


def vault(current: str, former: Iterable[str] = (), where: str = "the key") -> Vault:
    """A Vault of master keys in their text form, `base64:` and 32 bytes; SettingsError for anything else."""
    return Vault(master(current, where), tuple(master(key, "a former key") for key in former))


def new_key() -> str:
    """A new random master key in its text form."""
    return PREFIX + base64.b64encode(os.urandom(MASTER_BYTES)).decode()


def master(text: str, where: str, what: str = "encryption key") -> bytes:
    """The bytes of a key in its text form; SettingsError, which calls it `what`, for anything else."""
    hint = "make one: tenantplan credentials key"
    if not text.startswith(PREFIX):
        raise SettingsError(f"the {what} has to start with {PREFIX}", where=where, hint=hint)
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"the {what} is not base64", where=where, hint=hint) from None
    if len(key) != MASTER_BYTES:
        raise SettingsError(f"the {what} has {len(key)} bytes, not {MASTER_BYTES}", where=where, hint=hint)
    if len(set(key)) < 8:
        raise SettingsError(f"the {what} is not random", where=where, hint=hint)
    return key


def _identifier(master: bytes) -> bytes:
    return hashlib.blake2b(digest_size=_KEY_ID, key=master, person=b"tenantplan-id").digest()


def _derived(master: bytes, place: CredentialPlace) -> bytes:
    data = canonical([place.relation, place.row_id, place.column])
    return hashlib.blake2b(data, digest_size=MASTER_BYTES, key=master, person=b"tenantplan-box").digest()
