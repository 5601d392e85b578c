"""Encryption of credentials at rest: what opens, what does not, and what is never shown."""

from __future__ import annotations

import base64
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantplan.errors import SettingsError
from tenantplan.secrets.box import PREFIX, CredentialPlace, Refused, Vault, key_of, new_key, vault

KEY, OTHER = new_key(), new_key()
VAULT = vault(KEY)
PLACE = CredentialPlace("buckets", "8d6f1c1e-0000-5000-8000-000000000001", "secret_key")
CANARY = "canary-s3cret-\u00e9\U0001f511"


@pytest.mark.parametrize("value", ["x", "", CANARY, "p@s:/?%#'\"\\!", "nul\0", "x" * 100_000])
def test_there_and_back(value: str) -> None:
    stored = VAULT.seal(PLACE, value)
    assert VAULT.open(PLACE, stored) == value
    assert not value or len(value) < 3 or value.encode() not in stored


def test_never_the_same_bytes_twice() -> None:
    """Otherwise two equal secrets could be told, and an old one recognised."""
    sealed = {VAULT.seal(PLACE, CANARY) for _ in range(200)}
    assert len(sealed) == 200
    assert len({stored[9:33] for stored in sealed}) == 200  # the nonces


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, relation="organizations"),
        replace(PLACE, row_id="8d6f1c1e-0000-5000-8000-000000000002"),
        replace(PLACE, column="access_key"),
        CredentialPlace("buckets", PLACE.row_id + "secret", "_key"),  # the parts are not just strung together
        CredentialPlace("bucket", "s" + PLACE.row_id, PLACE.column),
    ],
    ids=str,
)
def test_what_was_moved_does_not_open(elsewhere: CredentialPlace) -> None:
    """The ciphertexts of two rows swapped."""
    stored = VAULT.seal(PLACE, CANARY)
    with pytest.raises(Refused) as caught:
        VAULT.open(elsewhere, stored)
    assert "was changed, or belongs to another row" in caught.value.message
    assert caught.value.where == f"{elsewhere.relation}.{elsewhere.column} of row {elsewhere.row_id}"


def test_every_bit_of_every_byte() -> None:
    stored = VAULT.seal(PLACE, CANARY)
    for position in range(len(stored)):
        for bit in range(8):
            broken = bytearray(stored)
            broken[position] ^= 1 << bit
            with pytest.raises(Refused) as caught:
                VAULT.open(PLACE, bytes(broken))
            assert "canary" not in str(caught.value) and caught.value.__cause__ is None


def test_every_cut_and_what_is_appended() -> None:
    stored = VAULT.seal(PLACE, CANARY)
    for length in range(len(stored)):
        with pytest.raises(Refused):
            VAULT.open(PLACE, stored[:length])
    for more in (b"\0", stored):
        with pytest.raises(Refused):
            VAULT.open(PLACE, stored + more)


@given(st.binary(max_size=100))
def test_what_nobody_encrypted(data: bytes) -> None:
    for stored in (data, bytes([1]) + data, bytes([1]) + bytes.fromhex(VAULT.key_id) + data):
        with pytest.raises(Refused):
            VAULT.open(PLACE, stored)


def test_an_unknown_key_is_named() -> None:
    stored = VAULT.seal(PLACE, CANARY)
    with pytest.raises(Refused) as caught:
        vault(OTHER).open(PLACE, stored)
    assert f"under key {VAULT.key_id}, which is not available here" in caught.value.message
    assert "credentials.formerKeys" in caught.value.hint
    assert key_of(stored) == VAULT.key_id


def test_a_former_key_still_opens_and_seals_no_more() -> None:
    stored = VAULT.seal(PLACE, CANARY)
    changed = vault(OTHER, [KEY])
    assert changed.open(PLACE, stored) == CANARY
    again = changed.seal(PLACE, CANARY)
    assert key_of(again) == vault(OTHER).key_id != VAULT.key_id
    assert changed.open(PLACE, again) == vault(OTHER).open(PLACE, again) == CANARY
    with pytest.raises(Refused):
        VAULT.open(PLACE, again)


def test_a_former_key_does_not_open_what_another_sealed() -> None:
    """Its id alone, written into the bytes, is not enough."""
    stored = VAULT.seal(PLACE, CANARY)
    claimed = stored[:1] + bytes.fromhex(vault(OTHER).key_id) + stored[9:]
    with pytest.raises(Refused, match="cannot be decrypted"):
        vault(OTHER, [KEY]).open(PLACE, claimed)


def _text(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()


GOOD = bytes(range(32))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has to start with base64:"),
        (base64.b64encode(GOOD).decode(), "has to start with base64:"),
        ("BASE64:" + base64.b64encode(GOOD).decode(), "has to start with base64:"),
        (" " + _text(GOOD), "has to start with base64:"),
        (PREFIX, "has 0 bytes, not 32"),
        (_text(GOOD[:31]), "has 31 bytes, not 32"),
        (_text(GOOD + b"x"), "has 33 bytes, not 32"),
        (_text(GOOD)[:-1], "is not base64"),
        (_text(GOOD) + "=", "is not base64"),
        (_text(GOOD) + "\n", "is not base64"),
        (_text(GOOD).replace("A", "\u0410", 1), "is not base64"),  # a Cyrillic A
        (_text(GOOD).replace("w", "-", 1), "is not base64"),  # the URL's alphabet
        (_text(b"\0" * 32), "is not random"),
        (_text(b"changeme" * 4), "is not random"),
        (_text(b"ab" * 16), "is not random"),
    ],
)
def test_malformed_keys(text: str, reason: str) -> None:
    """Refused with what to do, and never repeated."""
    for current, former in ((text, ()), (KEY, (text,))):
        with pytest.raises(SettingsError) as caught:
            vault(current, former, where="env:CREDENTIALS_ENCRYPTION_KEY")
        assert reason in caught.value.message
        assert "tenantplan credentials key" in caught.value.hint
        assert not text or text.removeprefix(PREFIX) == "" or text not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        vault(text, where="env:CREDENTIALS_ENCRYPTION_KEY")
    assert caught.value.where == "env:CREDENTIALS_ENCRYPTION_KEY"


def test_a_key_of_the_documented_form() -> None:
    assert vault(_text(GOOD)).open(PLACE, vault(_text(GOOD)).seal(PLACE, "x")) == "x"
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50 and all(len(base64.b64decode(key.removeprefix(PREFIX))) == 32 for key in keys)


def test_nothing_is_shown() -> None:
    """Not by repr, str or a traceback's arguments; the id of a key says nothing about it."""
    secret = os.urandom(32)
    made = Vault(secret, (secret[::-1],))
    for shown in (repr(made), str(made), f"{made!r}", repr([made]), repr({"vault": made})):
        for key in (secret, secret[::-1]):
            assert not any(form in shown for form in (key.hex(), base64.b64encode(key).decode(), repr(key)[2:-1]))
    assert made.key_id not in secret.hex() and len(made.key_id) == 16
