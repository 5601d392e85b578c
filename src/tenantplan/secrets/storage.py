"""How secrets are stored: which values are refused, and how a later plan recognises the same value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.passwords import (
    bcrypt_weakness,
    guessable,
    key_weakness,
    license_weakness,
    signing_weakness,
    weakness,
)


@dataclass(frozen=True)
class SecretStorage:
    """How a kind of secret is stored. `what` it is called, `weakness` says why a value is refused, or None.

    `digested`: what is stored is its SHA-256, so that is all a later plan can see. `encrypted`: it takes a key.
    """

    what: str
    weakness: Callable[[str], str | None]
    digested: bool = False
    encrypted: bool = False

    def mark(self, key: str, value: str) -> str:
        """The keyed hash by which a later plan knows the value, from what is stored alone."""
        return keyed_hash(key, hashlib.sha256(value.encode()).hexdigest() if self.digested else value)


@dataclass(frozen=True)
class SecretContext:
    """What a secret is checked against: names that it must not contain, such as the fleet's.

    `development`: the fleet is one to try things with, where how hard a secret is to guess does not matter.
    """

    names: tuple[str, ...] = ()
    development: bool = False


def secret_storage(
    kind: str, context: SecretContext = SecretContext(), *, user: str = "", purpose: str = ""
) -> SecretStorage:
    """The Judge of a column type (bcrypt, sha256, encrypted, key), or of the "password" of the role `user`.

    `purpose` is what an encrypted value is for, see `purpose`.
    """
    if kind == "password":
        return SecretStorage("password", _strict(partial(weakness, user=user), context, user))
    if kind == "bcrypt":
        return SecretStorage("password", _strict(bcrypt_weakness, context))
    found = _KINDS[kind]
    if kind == "encrypted" and not context.development:
        return SecretStorage(found.what, _PURPOSES[purpose](context), encrypted=True)
    return found


def purpose(table: str, column: str, name: str = "") -> str:
    """What an encrypted value is for: "signing" what others trust (sessions, tokens), "password" to log in with, or "" where
    how strong it is decides whoever gave it out. `name` is that of an organization's secret."""
    if (table, column) == ("organization_secrets", "value"):
        return "signing" if _SIGNS.search(name) else "password"
    return "password" if (table, column) == ("buckets", "secret_key") else ""


_SIGNS = re.compile(r"session|jwt|token|cookie|csrf|sign|encrypt|hmac|nextauth")


def _strict(check: Callable[[str], str | None], context: SecretContext, user: str = "") -> Callable[[str], str | None]:
    if context.development:
        return check
    names = (user, *context.names)
    return lambda value: check(value) or guessable(value, names)


def _unusable(value: str) -> str | None:
    """Why a secret that is kept encrypted cannot be used: how strong it has to be is for its owner to say."""
    return None if value else "is empty"


def _signing(value: str) -> str | None:
    return _unusable(value) or signing_weakness(value)


_PURPOSES: dict[str, Callable[[SecretContext], Callable[[str], str | None]]] = {
    "": lambda context: _unusable,
    "signing": lambda context: _signing,
    "password": lambda context: _strict(weakness, context),
}
_KINDS = {
    "sha256": SecretStorage("key", key_weakness, digested=True),
    "encrypted": SecretStorage("secret", _unusable, encrypted=True),
    "key": SecretStorage("key", license_weakness),
}
