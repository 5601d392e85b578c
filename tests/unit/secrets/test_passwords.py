"""Passwords that are refused."""

from __future__ import annotations

import pytest

from tenantplan.secrets.passwords import (
    bcrypt_weakness,
    default_password,
    guessable,
    key_weakness,
    signing_weakness,
    weakness,
)

GOOD = [
    r"p@s:/?%#'\" and",
    "correct horse!",
    "\ufb01nger \ufb02oat 42",
    "caf\u00e9\u00a0\u00a0au lait",
    "md5 is not enough",
]
BAD = ["", "tiny", "x" * 30, "nul\0in the middle", "SCRAM-SHA-256$4096:c2FsdA==$bm90:YQ==", "scram-sha-256$x", "md5" + "0" * 32,
       "md5" + "A" * 32, "changeme1234", "Password1234!", "administrator", "admin1234567890", "postgres!!!!!"]  # fmt: skip


@pytest.mark.parametrize("password", GOOD)
def test_good_ones(password: str) -> None:
    assert weakness(password, "tenantplan_org_msf_app") is None
    assert bcrypt_weakness(password) is None


@pytest.mark.parametrize("password", BAD)
def test_bad_ones(password: str) -> None:
    reason = weakness(password)
    assert reason and reason == bcrypt_weakness(password)
    assert not password or password not in reason


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is shorter than 20 characters"),
        ("k7Jd93-xQ0z_Lm2vRt8", "is shorter than 20 characters"),  # 19
        ("k7Jd93-xQ0z_Lm2vRt8e", None),
        ("a" * 64, "is not random enough"),
        ("abcdefghi" * 8, "is not random enough"),  # nine different ones
        ("SCRAM-SHA-256$4096:c2FsdA==$bm90:YQ==", "is a password hash"),
        ("k7Jd93-xQ0z_Lm2vRt8e\0", "holds a NUL character"),
    ],
)
def test_api_keys(key: str, reason: str | None) -> None:
    """Their hash has no salt and is fast: only what is random is safe behind it."""
    found = key_weakness(key)
    assert found is None if reason is None else found and found.startswith(reason)
    assert not key or key not in (found or "")


def test_the_users_name_is_no_password() -> None:
    assert weakness("tenantplan_org_msf_app", "tenantplan_org_msf_app") == "contains the user's name"
    assert weakness("xTENANTPLAN_ORG_MSF_APP1", "tenantplan_org_msf_app") == "contains the user's name"
    assert weakness("msf and a long tail of words", "msf") is None


def test_bcrypt_reads_72_bytes() -> None:
    assert bcrypt_weakness("0123456789ab" * 6) is None
    assert bcrypt_weakness("0123456789ab" * 6 + "x") == "is longer than 72 bytes"
    assert bcrypt_weakness("é123456789ab" * 6) == "is longer than 72 bytes"


@pytest.mark.parametrize(("user", "password"), [("postgres", "postgres"), ("root", "ROOT"), ("x", "changeme"), ("x", "1234567890"),
                                                ("x", "Admin123"), ("tenantplan", "tenantplan")])  # fmt: skip
def test_default_ones(user: str, password: str) -> None:
    assert default_password(password, user)


def test_what_is_no_default_password() -> None:
    assert default_password("", "postgres") is None  # trust, peer, a certificate: the server's decision
    assert default_password("k3-other-words", "postgres") is None


@pytest.mark.parametrize(
    ("password", "names"),
    [
        ("cybersensei123", ()),  # a word and a number, whatever it stands for
        ("cybersensei2024", ()),
        ("Cybersensei_0000!", ()),
        ("mongoroot123", ()),
        ("mongoRoot!x9", ()),
        ("cyber-9k2-sensei", ("cyber_sensei",)),
        ("x1-acme-7", ("tenantplan_org_acme_app",)),
        ("cybersensei-x9Zk2m", ("cybersensei",)),
    ],
)
def test_what_a_name_or_a_word_gives_away(password: str, names: tuple[str, ...]) -> None:
    for reason in (guessable(password, names), default_password(password, "app", names)):
        assert reason and password not in reason


@pytest.mark.parametrize(
    "password",
    [
        "admin?#'\"\\ !p@ss",
        "k3-other-words",
        "correct horse!",
        "correcthorsebatterystaple123",
        "Tz8mXn2Qp4",
        "demo-k7Jd93xQ",
    ],
)
def test_what_nobody_guesses(password: str) -> None:
    assert guessable(password, ("demo", "tenantplan_main", "org")) is None


def test_a_fleet_to_try_things_with_takes_names() -> None:
    assert default_password("cybersensei123", "app", None) is None
    assert default_password("postgres", "postgres", None)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("k7Jd93-xQ0z_Lm2vRt8ek7Jd93-xQ0z_", None),
        ("k7Jd93-xQ0z_Lm2vRt8ek7Jd93-xQ0z", "is shorter than 32 characters"),
        ("abcabcabc" * 8, "is not random enough"),
        ("", "is shorter than 32 characters"),
    ],
)
def test_secrets_that_sign(secret: str, reason: str | None) -> None:
    assert signing_weakness(secret) == reason
