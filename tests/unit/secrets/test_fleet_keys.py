"""Plan files as a fleet's keys make and take them: every flipped byte is noticed, whatever the seal is."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.rendering.builders import a_plan, an_operation, an_organization

from tenantplan.errors import PlanRefused, SettingsError
from tenantplan.fleet.plan_file import opened
from tenantplan.model.plan import Plan, Sign
from tenantplan.secrets.box import new_key
from tenantplan.secrets.fleet_keys import encrypted, plan_signer
from tenantplan.secrets.signing import new_pair
from tenantplan.settings.sections import FleetSpec
from tenantplan.settings.settings import Settings

pytestmark = pytest.mark.once

PRIVATE, PUBLIC = new_pair()
OTHER_PRIVATE, OTHER_PUBLIC = new_pair()
SHARED, BOX = new_key(), new_key()
KEYS = {"PRIVATE": PRIVATE, "PUBLIC": PUBLIC, "OTHER_PRIVATE": OTHER_PRIVATE, "OTHER_PUBLIC": OTHER_PUBLIC,
        "SHARED": SHARED, "BOX": BOX, "OTHER_BOX": new_key()}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def a_fleet(sign: str | None = None, verify: tuple[str, ...] = (), box: str | None = "BOX") -> Settings:
    plans: dict[str, Any] = {"verifyKeys": [{"env": name} for name in verify]}
    plans |= {key: {"env": name} for key, name in (("signingKey", sign), ("encryptionKey", box)) if name}
    return Settings("demo", Path(), FleetSpec.model_validate({"plans": plans}), "o_")


PLAN = a_plan(an_operation("organization/msf", after=an_organization()))
UNSIGNED = a_fleet()


def file(settings: Settings, plan: Plan = PLAN, *, encrypt: bool = False) -> bytes:
    data = plan.to_bytes(plan_signer(settings))
    return encrypted(settings, data) if encrypt else data


def sealing(seal: str) -> Sign:
    return lambda covered: seal


def refused(settings: Settings, data: bytes) -> str:
    with pytest.raises(PlanRefused) as error:
        opened(settings, data, "plan.json")
    assert error.value.where == "plan.json" and error.value.hint
    return error.value.message


SORTS = {
    "plain": (UNSIGNED, False),
    "ed25519": (a_fleet("PRIVATE", ("PUBLIC",)), False),
    "hmac": (a_fleet("SHARED"), False),
    "encrypted": (UNSIGNED, True),
    "signed and encrypted": (a_fleet("PRIVATE", ("PUBLIC",)), True),
}


@pytest.mark.parametrize("sort", SORTS)
def test_every_flipped_byte_is_noticed(sort: str) -> None:
    settings, encrypt = SORTS[sort]
    data = file(settings, encrypt=encrypt)
    assert opened(settings, data, "plan.json") == PLAN
    assert len(data) > 1000
    for position in range(len(data)):
        for mask in (0x01, 0x02, 0x04, 0x20, 0x80):
            broken = bytearray(data)
            broken[position] ^= mask
            with pytest.raises(PlanRefused):
                opened(settings, bytes(broken), "plan.json")
    for other in (data[:-1], data + b"\n", data + b" ", b" " + data, data * 2, data[:-2], data[: len(data) // 2]):
        refused(settings, other)


@pytest.mark.parametrize("sort", ["ed25519", "hmac"])
def test_what_can_be_made_without_the_key_is_refused(sort: str) -> None:
    settings, _ = SORTS[sort]
    later = replace(PLAN, created_at="2026-06-01T00:00:00Z")
    assert "is not signed" in refused(settings, later.to_bytes())
    assert "is not signed" in refused(settings, PLAN.to_bytes())
    seal = json.loads(file(settings))["seal"]
    assert "its signature does not match" in refused(settings, later.to_bytes(sealing(seal)))
    assert "does not accept" in refused(settings, file(a_fleet("OTHER_PRIVATE")))
    for text in ("", ":", "ed25519::", seal.upper(), seal + "0", seal[:-1], "x" + seal):
        refused(settings, PLAN.to_bytes(sealing(text)))
    for value in (None, 1, [seal], {"seal": seal}):
        refused(settings, file(settings).replace(f'"{seal}"'.encode(), json.dumps(value).encode()))
    twice = file(settings).replace(b'"tool_version"', b'"summary":{},"tool_version"')
    assert "changed" in refused(settings, twice)


def test_several_keys_are_accepted_while_one_replaces_another() -> None:
    both = a_fleet(None, ("OTHER_PUBLIC", "PUBLIC"))
    for signs in ("PRIVATE", "OTHER_PRIVATE"):
        assert opened(both, file(a_fleet(signs)), "") == PLAN
    assert "does not accept" in refused(both, file(a_fleet("SHARED")))


def test_a_signed_file_is_not_taken_for_an_unsigned_one() -> None:
    assert "names no key to verify" in refused(UNSIGNED, file(a_fleet("PRIVATE")))


def test_a_signature_changes_nothing_of_what_a_plan_is_known_by() -> None:
    """Otherwise it could be applied once more, under another signature."""
    plans = [opened(settings, file(settings, encrypt=encrypt), "") for settings, encrypt in SORTS.values()]
    assert {(plan.digest, plan.seal) for plan in plans} == {(PLAN.digest, PLAN.seal)}


def test_keys_that_are_missing_or_in_the_wrong_place(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file(a_fleet("PRIVATE"))
    with pytest.raises(SettingsError, match="private key"):
        opened(a_fleet(None, ("PRIVATE",)), data, "")
    monkeypatch.delenv("PRIVATE")
    assert (
        opened(a_fleet("PRIVATE", ("PUBLIC",)), data, "") == PLAN
    )  # where plans are applied, the public key is enough
    with pytest.raises(SettingsError, match="PRIVATE is not set"):
        plan_signer(a_fleet("PRIVATE", ("PUBLIC",)))
    monkeypatch.delenv("PUBLIC")
    with pytest.raises(SettingsError, match="PUBLIC is not set"):
        opened(a_fleet("PRIVATE", ("PUBLIC",)), data, "")


def test_an_encrypted_file_opens_with_its_key_for_its_fleet() -> None:
    data = file(UNSIGNED, encrypt=True)
    assert data != file(UNSIGNED, encrypt=True) and data.isascii()
    assert b"msf" not in data and b"msf" not in base64.b64decode(data[14:-3])
    assert "key" in refused(a_fleet(box="OTHER_BOX"), data) and "not available" in refused(
        a_fleet(box="OTHER_BOX"), data
    )
    assert "names no key" in refused(a_fleet(box=None), data)
    assert "cannot be decrypted" in refused(replace(UNSIGNED, fleet="other"), data)
    with pytest.raises(SettingsError, match="names no key"):
        encrypted(a_fleet(box=None), PLAN.to_bytes())
    for other in (
        b'{"encrypted":"',
        b'{"encrypted":""}\n',
        b'{"encrypted":"QUJD"}\n',
        data[:-3] + b'===="}\n',
        data[:-3] + b'A"}\n',
    ):
        refused(UNSIGNED, other)


def test_what_signs_does_not_encrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encrypted file is not a way around the signature."""
    signed = a_fleet("PRIVATE", ("PUBLIC",))
    assert "is not signed" in refused(signed, file(UNSIGNED, encrypt=True))
