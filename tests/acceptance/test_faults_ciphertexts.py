"""Encrypted login passwords that somebody moved or put back: decryption is refused and audited."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.test_login_passwords import KEY, declare, kept, logs_in

from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once

SWAP = (
    "UPDATE database_logins d SET password = o.password FROM database_logins o"
    " WHERE d.state = 'current' AND o.state = 'current' AND o.holder <> d.holder"
)
REMEMBERED = (
    "UPDATE tenantplan.credentials c SET stored_hash = o.stored_hash, value_hash = o.value_hash FROM tenantplan.credentials o"
    " WHERE c.relation = o.relation AND c.relation = 'database_logins' AND c.row_id <> o.row_id"
)


@pytest.fixture
def two(fleet: Fleet) -> Fleet:
    """Two organizations with a generated password each."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    for name in ("acme", "msf"):
        declare(fleet, name, ", rotation: { graceMinutes: 0 }")
    fleet.apply()
    return fleet


def refused(fleet: Fleet, *names: str, said: str) -> None:
    """Neither another key nor a person gets at the passwords of these, and the log says that somebody tried."""
    before = fleet.rows("SELECT coalesce(max(sequence), 0) FROM tenantplan.audit_log")[0][0]
    found = fleet.run("credentials", "rekey", "--json", code=5).json["refused"]
    assert len(found) == len(names) and all(said in reason for reason in found.values())
    for name in names:
        shown = fleet.run("db", "show", name, "--reveal", "--reason", "swapped by hand", code=1)
        assert shown.out == "" and said in shown.err
    audited = fleet.rows(
        "SELECT action, address, organization FROM tenantplan.audit_log WHERE sequence > %s AND result = 'refused' ORDER BY 1, 2",
        before,
    )
    assert audited == [
        *(("rekey", f"role/primary/{fleet.database(name)}_app", f"organization/{name}") for name in sorted(names)),
        *(("reveal", f"organization/{name}", f"organization/{name}") for name in sorted(names)),
    ]
    fleet.run("audit", "verify")


def rotated(fleet: Fleet) -> None:
    """A rotation gives every login a password again that is stored in its own place."""
    fleet.run("credentials", "rotate", "acme", "msf")
    for login in kept(fleet):
        assert logs_in(fleet, login["role"], login["password"], login["database"])
    assert fleet.run("credentials", "rekey", "--json").json["refused"] == {}
    fleet.apply()  # ends the sessions of the former passwords
    fleet.converged()


def test_passwords_of_two_organizations_swapped(two: Fleet) -> None:
    two.execute(SWAP)
    refused(two, "acme", "msf", said="changed, moved or put back by hand")
    rotated(two)


def test_an_old_password_restored(two: Fleet) -> None:
    two.execute("CREATE TABLE old AS SELECT holder, password FROM database_logins WHERE state = 'current'")
    two.run("credentials", "rotate", "acme", "msf")
    two.execute(
        "UPDATE database_logins d SET password = old.password FROM old"
        " WHERE old.holder = d.holder AND d.holder = 'organization/acme' AND d.state = 'current'; DROP TABLE old"
    )
    refused(two, "acme", said="changed, moved or put back by hand")
    assert two.run("db", "show", "msf", "--reveal", "--reason", "swapped by hand").out.startswith("postgresql://")
    rotated(two)


def test_neither_another_key_nor_another_place_opens_them(two: Fleet) -> None:
    key = two.env["CREDENTIALS_ENCRYPTION_KEY"]
    two.env["CREDENTIALS_ENCRYPTION_KEY"] = new_key()
    refused(two, "acme", "msf", said="not available here")
    two.env["CREDENTIALS_ENCRYPTION_KEY"] = key
    two.execute(SWAP)
    two.execute(REMEMBERED)
    refused(two, "acme", "msf", said="it cannot be decrypted")
    rotated(two)
