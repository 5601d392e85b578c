"""What a secret is for says how strong it has to be."""

from __future__ import annotations

import pytest

from tenantplan.secrets.storage import SecretContext, purpose, secret_storage

FLEET = SecretContext(("cybersensei", "central_main"))
SHORT = "k7Jd93-xQ0z_Lm2"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("session", "signing"),
        ("jwt", "signing"),
        ("legacy-jwt", "signing"),
        ("nextauth", "signing"),
        ("smtp", "password"),
    ],
)
def test_the_purpose_of_an_organizations_secret(name: str, found: str) -> None:
    assert purpose("organization_secrets", "value", name) == found


@pytest.mark.parametrize(
    ("kind", "purpose", "value", "said"),
    [
        ("encrypted", "signing", SHORT, "shorter than 32"),
        ("encrypted", "password", SHORT, None),
        ("encrypted", "password", "cybersensei123", "a word and a number"),
        ("encrypted", "password", "x9-cybersensei-k", "name of the system"),
        ("encrypted", "", "x", None),
        ("encrypted", "", "", "empty"),
        ("bcrypt", "", "mongoroot123", "a word and a number"),
        ("password", "", "cybersensei123", "a word and a number"),
        ("password", "", "x9-central-k2", "name of the system"),
        ("password", "", "k2-unicef-x9z", "name of the system or of the role"),
    ],
)
def test_how_strong_it_has_to_be(kind: str, purpose: str, value: str, said: str | None) -> None:
    reason = secret_storage(kind, FLEET, user="o_unicef_app", purpose=purpose).weakness(value)
    assert reason is None if said is None else reason and said in reason


@pytest.mark.parametrize("kind", ["encrypted", "bcrypt", "password"])
def test_a_fleet_to_try_things_with(kind: str) -> None:
    around = SecretContext(FLEET.names, development=True)
    assert secret_storage(kind, around, user="app", purpose="signing").weakness("cybersensei123") is None
