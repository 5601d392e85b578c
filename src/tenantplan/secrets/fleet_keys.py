"""The keys of a fleet's plan files, from the references in its fleet file: for signing, verifying and encrypting."""

from __future__ import annotations

import base64
import binascii
import os

from tenantplan.errors import PlanRefused, SettingsError
from tenantplan.model.plan import SealCheck, Sign, unsigned
from tenantplan.secrets import signing
from tenantplan.secrets.box import CredentialPlace, Refused, Vault, vault
from tenantplan.secrets.development import create_missing
from tenantplan.secrets.references import Secrets, resolve
from tenantplan.settings.settings import Settings

_MARK = b'{"encrypted":"'
_END = b'"}\n'


def plan_signer(settings: Settings) -> Sign | None:
    """What signs the fleet's plan files; None where they are not signed. SettingsError while the key is not at hand."""
    reference = settings.spec.plans.signing_key
    return signing.signer(resolve(reference.text, settings.root), reference.text).sign if reference else None


def takes_signed_only(settings: Settings) -> bool:
    """Whether the fleet takes no plan file that is not signed."""
    return bool(settings.spec.plans.verify_keys) or settings.spec.plans.signing_key is not None


def plan_seal_check(settings: Settings) -> SealCheck:
    """What says whether a plan file has a seal that this fleet accepts. SettingsError while a key is not at hand."""
    accepted = _accepted(settings)
    if not accepted:
        return _check_unsigned

    def judge(covered: bytes, seal: str) -> str | None:
        if any(key.holds(covered, seal) for key in accepted):
            return None
        if unsigned(covered, seal) is None:
            return "is not signed, and this fleet takes signed plans only (plans.verifyKeys, plans.signingKey)"
        if seal.rpartition(":")[0] not in {key.name for key in accepted}:
            return "is signed with a key that this fleet does not accept (plans.verifyKeys, plans.signingKey)"
        return "was changed after it was signed: its signature does not match"

    return judge


def _accepted(settings: Settings) -> list[signing.Verifier]:
    spec, root = settings.spec.plans, settings.root
    if spec.verify_keys:
        return [signing.verifier(resolve(key.text, root), key.text) for key in spec.verify_keys]
    if spec.signing_key is None:
        return []
    return [signing.signer(resolve(spec.signing_key.text, root), spec.signing_key.text).verifier]


def _check_unsigned(covered: bytes, seal: str) -> str | None:
    if ":" in seal:
        return "is signed, and the fleet file names no key to verify it with (plans.verifyKeys)"
    return unsigned(covered, seal)


def encrypted(settings: Settings, data: bytes) -> bytes:
    """The bytes of a plan file, encrypted for this fleet."""
    sealed = _vault(settings, SettingsError).seal(_place(settings), data.decode())
    return _MARK + base64.b64encode(sealed) + _END


def decrypted(settings: Settings, data: bytes, where: str) -> bytes:
    """The bytes of a plan file that may be encrypted; PlanRefused when it does not open, or was changed."""
    if not data.startswith(_MARK):
        return data
    box = _vault(settings, PlanRefused, where)
    try:
        sealed = base64.b64decode(data[len(_MARK) : -len(_END)], validate=True)
        if _MARK + base64.b64encode(sealed) + _END != data:
            raise PlanRefused("the encrypted plan file was changed after it was made", where=where, hint=_AGAIN)
        return box.open(_place(settings), sealed).encode()
    except binascii.Error:
        raise PlanRefused("this is not an intact plan file", where=where, hint=_AGAIN) from None
    except Refused as error:
        raise PlanRefused(
            f"the encrypted plan file cannot be opened: {error.message}", where=where, hint=_AGAIN
        ) from None


_AGAIN = "make a new one with the key that is here: tenantplan plan --out plan.json --encrypt"


def _vault(settings: Settings, error: type[SettingsError | PlanRefused], where: str = "") -> Vault:
    reference = settings.spec.plans.encryption_key
    if reference is None:
        raise error(
            "the fleet file names no key for encrypted plan files",
            where=where,
            hint="make one (tenantplan credentials key) and name it: plans.encryptionKey",
        )
    return vault(resolve(reference.text, settings.root), where=reference.text)


def _place(settings: Settings) -> CredentialPlace:
    """What a key is derived for: the same master key opens nothing that was encrypted for something else."""
    return CredentialPlace("plan file", settings.fleet, "whole")


def the_vault(vault: Vault | None) -> Vault:
    """The Vault, or a SettingsError that says how to get a key."""
    if vault is None:
        raise SettingsError(
            "there is no key to encrypt credentials with",
            hint="make one (tenantplan credentials key) and set CREDENTIALS_ENCRYPTION_KEY to it",
        )
    return vault


def fleet_vault(settings: Settings, secrets: Secrets) -> Vault | None:
    """The Vault of a fleet; None while its key is not set. SettingsError for a key that cannot be used."""
    spec = settings.spec.credentials
    kind, _, name = spec.key.text.partition(":")
    if kind == "env" and not os.environ.get(name):
        return None
    create_missing(settings, [spec.key.text], key=True)
    former = [secrets.resolve(reference.text) for reference in spec.former_keys]
    return vault(secrets.resolve(spec.key.text), former, where=spec.key.text)
