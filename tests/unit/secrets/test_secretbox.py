"""Values that an application has sealed itself with libsodium's secretbox, under a key in its own text form."""

from __future__ import annotations

import base64

import pytest
from nacl.secret import SecretBox

from tenantplan.secrets.box import PREFIX, Refused, Vault, new_key, vault
from tenantplan.secrets.secretbox import open_sealed

KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
SEALED = bytes(SecretBox(KEY).encrypt("AKIA7F3A9C2E51B84D06 ü".encode(), NONCE))


def test_its_key_is_read() -> None:
    assert vault(PREFIX + base64.b64encode(KEY).decode()).current == KEY


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(SEALED).decode(),
        base64.urlsafe_b64encode(SEALED).decode().rstrip("="),
        PREFIX + base64.b64encode(SEALED).decode(),
        SEALED.hex(),
        f"  {SEALED.hex().upper()}\n",
    ],
)
def test_its_values_open(text: str) -> None:
    assert open_sealed(Vault(KEY), text, "line 1") == "AKIA7F3A9C2E51B84D06 ü"
    assert (
        open_sealed(vault(new_key(), [PREFIX + base64.b64encode(KEY).decode()]), text, "") == "AKIA7F3A9C2E51B84D06 ü"
    )


@pytest.mark.parametrize(
    "text", ["", "x", base64.b64encode(SEALED[:39]).decode(), (SEALED[:-1] + b"\0").hex(), SEALED.hex()[:-1], "é" * 80]
)
def test_what_was_changed_does_not_open(text: str) -> None:
    with pytest.raises(Refused, match="line 7"):
        open_sealed(Vault(KEY), text, "line 7")
    with pytest.raises(Refused):
        open_sealed(vault(new_key()), SEALED.hex(), "line 7")
