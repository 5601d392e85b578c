"""Verifiers: their shape, and whether they are a password's; against RFC 7677 and against libpq."""

from __future__ import annotations

import random

import pytest
from servers import TestServer

from tenantplan.errors import SettingsError
from tenantplan.secrets import scram

# RFC 7677, section 3, as PostgreSQL keeps it.
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)
ALPHABETS: tuple[tuple[int, int], ...] = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x2000, 0x206F), (0x590, 0x6FF), (0xFB00, 0xFB4F), (0x1F300, 0x1F6FF),
    (0x300, 0x36F), (0xE000, 0xE010), (0xFF00, 0xFFEF), (0xFE00, 0xFE0F), (1, 0x31), (0x80, 0x9F),
)  # fmt: skip


def test_the_example_of_the_rfc() -> None:
    assert scram.matches(scram.parse(PENCIL), "pencil")
    assert not scram.matches(scram.parse(PENCIL), "pencil ")
    assert scram.checked(PENCIL, "pencil") == PENCIL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pencil",
        "md5" + "0" * 32,
        PENCIL.lower(),
        PENCIL[:-1],
        PENCIL + "\n",
        PENCIL.replace("4096", "0"),
        PENCIL.replace("4096", "-1"),
        PENCIL.replace("W22Z", "W22"),
        PENCIL.replace("WG5d", "WG5dWG5d"),
        PENCIL.replace(":wfPL", ":"),
        PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "A" * 440),
        PENCIL.replace("$WG5d", ":WG5d"),
    ],
)
def test_a_malformed_verifier_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="plain password") as error:
        scram.parse(text)
    assert not text or text not in str(error.value)


def test_a_verifier_of_another_password_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not match the password"):
        scram.checked(PENCIL, "another one")


@pytest.mark.parametrize(
    ("password", "as_hashed"),
    [
        ("plain \\ ascii", "plain \\ ascii"),
        ("caf\u00e9\u00a0au lait", "caf\u00e9 au lait"),  # a no-break space is a space
        ("\ufb01nger", "finger"),  # a ligature is its letters
        ("I\u00adX", "IX"),  # a soft hyphen vanishes
        ("\u2168", "IX"),
        ("\u0007\u00e9", "\u0007\u00e9"),  # prohibited: as it stands
        ("\u0627\u0031", "\u0627\u0031"),  # right to left, and ends otherwise: as it stands
        ("\u00ad", "\u00ad"),  # nothing would be left
        ("\U0001f511", "\U0001f511"),  # not assigned in Unicode 3.2
    ],
)
def test_what_is_hashed(password: str, as_hashed: str) -> None:
    assert scram.prepared(password) == as_hashed.encode()


def test_it_is_what_libpq_makes(server: TestServer) -> None:
    chance = random.Random(7)
    with server.connect() as connection:
        for _ in range(200):
            password = "".join(chr(chance.randint(*chance.choice(ALPHABETS))) for _ in range(chance.randint(1, 4)))
            made = connection.pgconn.encrypt_password(password.encode(), b"x", b"scram-sha-256").decode()
            assert scram.checked(made, password) == made, [hex(ord(c)) for c in password]
