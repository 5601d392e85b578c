"""Signatures of plan files: Ed25519, or HMAC-SHA-256 under a key that both sides hold.

The key decides the algorithm, never the file. A seal is `algorithm:key id:signature in hex`, made of _PURPOSE and the
canonical document without its seal (docs/plans.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Protocol

from tenantplan.errors import SettingsError
from tenantplan.secrets.box import PREFIX, master

PRIVATE, PUBLIC = "ed25519:", "ed25519-public:"
_PURPOSE = b"tenantplan plan\n"  # what a key signs for something else is no signature of a plan
_BYTES = 32
_HINT = "make one: tenantplan credentials key --signing"


class Verifier(Protocol):
    """What knows the signatures of one key."""

    @property
    def name(self) -> str:
        """Algorithm and id of the key; the id says nothing about the key."""
        ...

    def holds(self, covered: bytes, seal: str) -> bool:
        """Whether the seal is this key's signature of these bytes, written in the one way there is."""
        ...


class Signer(Protocol):
    """What signs with one key."""

    @property
    def verifier(self) -> Verifier:
        """What knows these signatures."""
        ...

    def sign(self, covered: bytes) -> str:
        """The seal of these bytes."""
        ...


@dataclass(frozen=True, repr=False)
class HmacKey:
    """A key that signs and verifies."""

    secret: bytes

    @property
    def name(self) -> str:
        """Algorithm and id."""
        return f"hmac-sha256:{_identifier(self.secret, b'tenantplan-hmac')}"

    @property
    def verifier(self) -> Verifier:
        """Itself: who can verify can sign."""
        return self

    def sign(self, covered: bytes) -> str:
        """The seal of these bytes."""
        return f"{self.name}:{hmac.new(self.secret, _PURPOSE + covered, 'sha256').hexdigest()}"

    def holds(self, covered: bytes, seal: str) -> bool:
        """Whether the seal is this key's."""
        return hmac.compare_digest(self.sign(covered).encode(), seal.encode(errors="replace"))


@dataclass(frozen=True, repr=False)
class PublicKey:
    """The half of an Ed25519 pair that verifies."""

    key: bytes

    @property
    def name(self) -> str:
        """Algorithm and id."""
        return f"ed25519:{_identifier(self.key, b'tenantplan-sign')}"

    def holds(self, covered: bytes, seal: str) -> bool:
        """Whether the seal is this key's."""
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        name, _, written = seal.rpartition(":")
        try:
            signature = bytes.fromhex(written)
            VerifyKey(self.key).verify(_PURPOSE + covered, signature)
        except (BadSignatureError, ValueError):
            return False
        return (name, written) == (self.name, signature.hex())


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """The half of an Ed25519 pair that signs."""

    seed: bytes

    @property
    def verifier(self) -> PublicKey:
        """The public half."""
        from nacl.signing import SigningKey

        return PublicKey(bytes(SigningKey(self.seed).verify_key))

    def sign(self, covered: bytes) -> str:
        """The seal of these bytes."""
        from nacl.signing import SigningKey

        return f"{self.verifier.name}:{SigningKey(self.seed).sign(_PURPOSE + covered).signature.hex()}"


def signer(text: str, where: str) -> Signer:
    """The key that signs, from its text form; SettingsError, naming `where` it is from, for anything else."""
    if text.startswith(PREFIX):
        return HmacKey(master(text, where, "signing key"))
    if not text.startswith(PRIVATE):
        raise SettingsError(f"a key that signs plans starts with {PRIVATE} or {PREFIX}", where=where, hint=_HINT)
    seed = _decoded(text.removeprefix(PRIVATE), where)
    if len(set(seed)) < 8:
        raise SettingsError("the signing key is not random", where=where, hint=_HINT)
    return PrivateKey(seed)


def verifier(text: str, where: str) -> Verifier:
    """The key that verifies, from its text form; SettingsError for anything else, a private key among it."""
    if text.startswith(PREFIX):
        return HmacKey(master(text, where, "key that verifies plans"))
    if text.startswith(PRIVATE):
        raise SettingsError(
            "this is the private key: it signs, and need not be here", where=where, hint=f"name its {PUBLIC} half"
        )
    if not text.startswith(PUBLIC):
        raise SettingsError(f"a key that verifies plans starts with {PUBLIC} or {PREFIX}", where=where, hint=_HINT)
    return PublicKey(_decoded(text.removeprefix(PUBLIC), where))


def new_pair() -> tuple[str, str]:
    """A new random Ed25519 pair in its text form: private, public."""
    made = PrivateKey(os.urandom(_BYTES))
    return PRIVATE + _encoded(made.seed), PUBLIC + _encoded(made.verifier.key)


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError("the key is not base64", where=where, hint=_HINT) from None
    if len(key) != _BYTES:
        raise SettingsError(f"the key has {len(key)} bytes, not {_BYTES}", where=where, hint=_HINT)
    return key


def _identifier(key: bytes, purpose: bytes) -> str:
    return hashlib.blake2b(digest_size=8, key=key, person=purpose).hexdigest()
