"""Keys that sign plan files: what holds, what does not, and what is no key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest
from nacl.signing import VerifyKey

from tenantplan.errors import SettingsError
from tenantplan.secrets.box import new_key
from tenantplan.secrets.signing import Signer, Verifier, new_pair, signer, verifier

pytestmark = pytest.mark.once

BODY = b'{"fleet":"demo"}'
PRIVATE, PUBLIC = new_pair()
SHARED = new_key()


def keys() -> list[tuple[Signer, Verifier]]:
    return [(signer(PRIVATE, "k"), verifier(PUBLIC, "k")), (signer(SHARED, "k"), verifier(SHARED, "k"))]


@pytest.mark.parametrize("number", [0, 1])
def test_a_signature_holds_for_its_bytes_and_its_key_alone(number: int) -> None:
    signs, knows = keys()[number]
    seal = signs.sign(BODY)
    assert seal == signs.sign(BODY) and seal.isascii()
    assert knows.holds(BODY, seal) and signs.verifier.holds(BODY, seal)
    assert seal.startswith(knows.name + ":")
    assert not knows.holds(BODY + b" ", seal)
    for text in (seal.upper(), seal + " ", seal + "00", seal[:-2], seal[:-1], "", ":", "\ud800", seal.replace(":", "::", 1),
                 seal[:-4] + " " + seal[-4:], hashlib.sha256(BODY).hexdigest()):  # fmt: skip
        assert not knows.holds(BODY, text), text
    for other in (verifier(new_pair()[1], "k"), verifier(new_key(), "k"), keys()[1 - number][1]):
        assert not other.holds(BODY, seal)
        assert not other.holds(BODY, f"{other.name}:{seal.rpartition(':')[2]}")


def test_the_signatures_are_those_of_the_documentation() -> None:
    """By the description in docs/plans.md, with other code."""
    seal = signer(PRIVATE, "k").sign(BODY)
    public = base64.b64decode(PUBLIC.removeprefix("ed25519-public:"))
    VerifyKey(public).verify(b"tenantplan plan\n" + BODY, bytes.fromhex(seal.rpartition(":")[2]))
    assert re.fullmatch(r"ed25519:[0-9a-f]{16}:[0-9a-f]{128}", seal)
    secret = base64.b64decode(SHARED.removeprefix("base64:"))
    wanted = hmac.digest(secret, b"tenantplan plan\n" + BODY, "sha256").hex()
    assert re.fullmatch(rf"hmac-sha256:[0-9a-f]{{16}}:{wanted}", signer(SHARED, "k").sign(BODY))


def test_a_key_is_not_in_its_name_or_its_representation() -> None:
    for text, pair in ((PRIVATE, keys()[0]), (SHARED, keys()[1])):
        held = base64.b64decode(text.partition(":")[2])
        for key in pair:
            shown = repr(key) + getattr(key, "name", "")
            assert held.hex() not in shown and text not in shown and repr(held) not in shown


WRONG = {
    "": "starts with",
    "x" * 44: "starts with",
    PRIVATE.removeprefix("ed25519:"): "starts with",
    "ed25519:" + base64.b64encode(bytes(range(31))).decode(): "31 bytes",
    "ed25519:!!": "not base64",
    "ed25519:" + base64.b64encode(bytes(32)).decode(): "not random",
    "base64:" + base64.b64encode(bytes(32)).decode(): "not random",
    "base64:abc": "base64",
    PUBLIC: "signs plans starts with",
}


def test_what_is_no_signing_key() -> None:
    for text, said in WRONG.items():
        with pytest.raises(SettingsError, match=said) as error:
            signer(text, "env:KEY")
        assert error.value.where == "env:KEY" and (len(text) < 12 or text[8:] not in str(error.value))


def test_what_is_no_key_to_verify_with() -> None:
    for text, said in (
        (PRIVATE, "private key"),
        (PUBLIC[:-8], "base64|bytes"),
        ("rsa:x", "starts with"),
        ("", "starts with"),
    ):
        with pytest.raises(SettingsError, match=said) as error:
            verifier(text, "file:k.pub")
        assert error.value.where == "file:k.pub" and (len(text) < 20 or text[15:] not in str(error.value))
