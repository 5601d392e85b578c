"""Values that an application has sealed itself, with libsodium's secretbox under the master key as it is.

Their form: base64 (either alphabet, padded or not, with or without `base64:` before it) or hex of nonce (24 bytes) and box.
What tenantplan stores is in another form, with a key for each place (box.py).
"""

from __future__ import annotations

import base64
import binascii
import re

from tenantplan.secrets.box import PREFIX, Refused, Vault

_NONCE, _TAG = 24, 16
_HEX = re.compile(r"([0-9a-fA-F]{2})+")
_HINT = "it takes base64 or hex of nonce (24 bytes) and box, sealed with crypto_secretbox under that key"


def open_sealed(vault: Vault, text: str, where: str) -> str:
    """The value that was sealed under a key of the vault, the current or a former one; Refused, naming `where`, for any other."""
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    sealed = _decoded(text.strip())
    if sealed is None or len(sealed) < _NONCE + _TAG:
        raise Refused("this is not a sealed value", where=where, hint=_HINT)
    for key in (vault.current, *vault.former):
        try:
            return SecretBox(key).decrypt(sealed).decode()
        except (CryptoError, UnicodeDecodeError):
            continue
    raise Refused(
        "none of the available keys opens it: it was changed, or sealed with another one", where=where, hint=_HINT
    )


def _decoded(text: str) -> bytes | None:
    if _HEX.fullmatch(text) and len(text) >= 2 * (_NONCE + _TAG):
        return bytes.fromhex(text)
    plain = text.removeprefix(PREFIX).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
