"""Passwords of login roles that somebody set by hand are found without keeping them, and set right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from acceptance.harness import Fleet
from acceptance.test_login_passwords import KEY, command, declare, kept, logs_in, targets
from psycopg import sql

from tenantplan.secrets.box import CredentialPlace, new_key, vault

REFERENCE = "database: { mode: dedicated, password: { env: IRC } }"


@pytest.fixture
def applied(fleet: Fleet) -> Fleet:
    """A fleet with a password by reference, a generated one that is kept, and one that is not."""
    fleet.env |= {"CREDENTIALS_ENCRYPTION_KEY": KEY, "IRC": "p@s:/?%#'\"\\ \u00a0\ufb01"}
    targets(fleet, vault=command(fleet))
    fleet.organization("irc", REFERENCE)
    declare(fleet, "msf")
    declare(fleet, "wwf", ", deliver: vault")
    fleet.apply()
    return fleet


def readable(fleet: Fleet, *, may: bool) -> None:
    """Whether tenantplan's role may read pg_authid."""
    what = "GRANT SELECT ON pg_authid TO tp_admin" if may else "REVOKE SELECT ON pg_authid FROM tp_admin"
    fleet.execute(what, database="postgres")
    fleet.execute(what)


def role(fleet: Fleet, name: str) -> str:
    return f"{fleet.database(name)}_app"


def overwrite(fleet: Fleet, name: str, password: str | None = "set by hand 4711") -> None:
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role(fleet, name)), sql.Literal(password))
    fleet.execute(statement.as_string(), database="postgres")


def drifted(fleet: Fleet, code: int = 2) -> list[tuple[str, str]]:
    """What differs. `code` is the exit code as far as everything could be compared: what could not be makes it 2."""
    result = fleet.run("drift", "--json", code=None)
    found = result.json
    assert result.code == (code if found["complete"] else 2)
    assert found["complete"] == (not found["notCompared"])
    return [(item["address"].rsplit("/", 1)[1], item["name"]) for item in found["items"]]


def not_compared(fleet: Fleet) -> list[str]:
    found = fleet.run("drift", "--json", code=None).json["notCompared"]
    return [finding["address"].rsplit("/", 1)[1] for finding in found]


def mend(fleet: Fleet) -> list[str]:
    """A deep plan, applied; what it did."""
    fleet.run("plan", "--refresh", "deep", "--out", "plan.json")
    done = [f"{o['action']} {o['address']}" for o in json.loads((fleet.root / "plan.json").read_text())["operations"]]
    fleet.run("apply", "plan.json")
    return done


def test_found_by_logging_in(applied: Fleet) -> None:
    assert drifted(applied, 0) == []
    assert not_compared(applied) == [role(applied, "wwf")]
    for name in ("irc", "msf", "wwf"):
        overwrite(applied, name)
    assert drifted(applied) == [(role(applied, "irc"), "password"), (role(applied, "msf"), "password")]
    said = applied.run("drift", code=2)
    assert "--refresh deep" in said.out and "set by hand 4711" not in said.out + said.err
    assert applied.env["IRC"] not in said.out and kept(applied)[0]["password"] not in said.out
    assert applied.operations() == []  # a fast plan does not try passwords
    assert mend(applied) == [f"update role/primary/{role(applied, name)}" for name in ("irc", "msf")]
    assert logs_in(applied, role(applied, "irc"), applied.env["IRC"], applied.database("irc"))
    (login,) = [row for row in kept(applied) if row["holder"] == "organization/msf"]
    assert logs_in(applied, login["role"], login["password"], login["database"])
    assert not logs_in(applied, login["role"], "set by hand 4711", login["database"])
    assert drifted(applied, 0) == []
    applied.converged()


def test_found_by_recomputing_where_pg_authid_is_readable(applied: Fleet) -> None:
    readable(applied, may=True)
    try:
        assert drifted(applied, 0) == [] and not_compared(applied) == []
        connected = applied.server.log_text().count("authentication failed")
        for name in ("irc", "msf", "wwf"):
            overwrite(applied, name)
        assert drifted(applied) == [(role(applied, name), "password") for name in ("irc", "msf", "wwf")]
        assert applied.server.log_text().count("authentication failed") == connected
        overwrite(applied, "irc", applied.env["IRC"])  # with another salt: the same password
        assert drifted(applied) == [(role(applied, name), "password") for name in ("msf", "wwf")]
        assert mend(applied) == [f"update role/primary/{role(applied, name)}" for name in ("msf", "wwf")]
        given = json.loads((applied.root / "vault" / "wwf.json").read_text())
        assert logs_in(applied, given["role"], given["password"], given["database"])
        assert drifted(applied, 0) == []
        overwrite(applied, "msf", None)
        assert drifted(applied) == [(role(applied, "msf"), "password")]
        applied.run("credentials", "rotate", "msf")
        assert drifted(applied, 0) == []
        applied.converged()
    finally:
        readable(applied, may=False)


@pytest.mark.once
def test_what_waits_to_be_applied_is_no_drift(applied: Fleet) -> None:
    applied.env["IRC"] = "a new value, not applied"
    assert drifted(applied, 0) == []
    assert role(applied, "irc") in not_compared(applied)
    del applied.env["IRC"]
    assert drifted(applied, 0) == []


@pytest.mark.once
def test_ciphertexts_that_were_swapped_or_put_back_are_refused(applied: Fleet) -> None:
    declare(applied, "one")
    declare(applied, "two")
    applied.apply()
    old = applied.rows("SELECT password FROM database_logins WHERE holder = 'organization/one'")[0][0]
    applied.execute(
        "UPDATE database_logins a SET password = b.password FROM database_logins b"
        " WHERE (a.holder, b.holder) IN (('organization/one', 'organization/two'), ('organization/two', 'organization/one'))"
    )
    assert drifted(applied) == [(role(applied, name), "password") for name in ("one", "two")]
    mend(applied)
    assert drifted(applied, 0) == []
    applied.execute("UPDATE database_logins SET password = %s WHERE holder = 'organization/one'", old)
    assert drifted(applied) == [(role(applied, "one"), "password")]
    applied.run("credentials", "rotate", "one")
    assert drifted(applied, 0) == []
    reveal = ("db", "show", "one", "--reveal", "--reason", "a test of what is stored")
    assert applied.run(*reveal).out.strip().startswith("postgresql://")
    applied.execute("UPDATE database_logins SET password = %s WHERE holder = 'organization/one'", old)
    assert "changed, moved or put back" in applied.run(*reveal, code=1).err
    refused = applied.rows("SELECT result FROM tenantplan.audit_log WHERE action = 'reveal' ORDER BY sequence")
    assert [row[0] for row in refused] == ["done", "refused"]


@pytest.mark.once
def test_a_generated_password_is_shown_to_who_says_why(applied: Fleet) -> None:
    reveal: Any = ("--reveal", "--reason", "a test of what is shown")
    (login,) = [row for row in kept(applied) if row["holder"] == "organization/msf"]
    assert login["password"] in applied.run("db", "show", "msf", *reveal).out
    assert "was delivered to vault" in applied.run("db", "show", "wwf", *reveal, code=1).err
    declare(applied, "msf", ", rotation: { roles: 2 }")
    applied.apply()
    applied.run("credentials", "rotate", "msf")
    url = applied.run("db", "show", "msf", *reveal).out
    (login,) = [row for row in kept(applied) if row["holder"] == "organization/msf"]
    assert f"{applied.database('msf')}_app2:{login['password']}@" in url
    assert login["password"] not in applied.run("db", "show", "msf").out


@pytest.mark.once
def test_rekeyed_passwords_are_still_compared(applied: Fleet) -> None:
    other = new_key()
    applied.settings(
        f"credentials: {{ formerKeys: [ {{ env: FORMER }} ], targets: {{ vault: {{ {command(applied)} }} }} }}"
    )
    applied.env |= {"FORMER": KEY, "CREDENTIALS_ENCRYPTION_KEY": other}
    applied.run("credentials", "rekey")
    assert drifted(applied, 0) == []
    identifier, box = applied.rows("SELECT id::text, password FROM database_logins WHERE password IS NOT NULL")[0]
    assert vault(other).open(CredentialPlace("database_logins", identifier, "password"), bytes(box))
