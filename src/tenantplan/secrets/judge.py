"""Secrets by how they are stored: what makes one unfit, and by what a later plan knows that it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.strength import bcrypt_weakness, key_weakness, weakness


@dataclass(frozen=True)
class Judge:
    """One way to store a secret. `what` it is called, `weakness` says why a value is refused, or None.

    `digested`: what is stored is its SHA-256, so that is all a later plan can see. `encrypted`: it takes a key.
    """

    what: str
    weakness: Callable[[str], str | None]
    digested: bool = False
    encrypted: bool = False

    def mark(self, key: str, value: str) -> str:
        """The keyed hash by which a later plan knows the value, from what is stored alone."""
        return keyed_hash(key, hashlib.sha256(value.encode()).hexdigest() if self.digested else value)


def judge(kind: str, user: str = "") -> Judge:
    """The Judge of a column type (bcrypt, sha256, encrypted), or of the "password" of the role `user`."""
    if kind == "password":
        return Judge("password", partial(weakness, user=user))
    return _KINDS[kind]


def _unusable(value: str) -> str | None:
    """Why a secret that is kept encrypted cannot be used: how strong it has to be is for its owner to say."""
    return None if value else "is empty"


_KINDS = {
    "bcrypt": Judge("password", bcrypt_weakness),
    "sha256": Judge("key", key_weakness, digested=True),
    "encrypted": Judge("secret", _unusable, encrypted=True),
}
