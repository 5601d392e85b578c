"""Passwords by reference: any character works, weak ones are refused, and a changed one is found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import bcrypt
import psycopg
import pytest
from acceptance.harness import Fleet

from tenantplan.secrets import references
from tenantplan.secrets.box import new_key
from tenantplan.secrets.references import resolve

pytestmark = pytest.mark.once

SPECIAL = r"""p@s:/?%#'"\ and !more$"""
PASSWORDS = {
    "special": SPECIAL,
    "no-break space": "caf\u00e9\u00a0\u00a0au lait",
    "ligature": "\ufb01nger \ufb02oat 42",
    "exclamation": "Tr0ub4dor!&!!3x",
    "quotes": "'; DROP ROLE postgres; --",
    "not latin": "пароль-日本語-🔑🔑🔑🔑",
}


def declare(fleet: Fleet, name: str = "msf", variable: str = "MSF_PASSWORD", more: str = "") -> None:
    fleet.organization(name, f"database: {{ mode: dedicated, password: {{ env: {variable} }} }}\n{more}")


def login(fleet: Fleet, organization: str, password: str, database: str | None = None) -> str:
    """The user name of a session over TCP with SCRAM."""
    name = fleet.database(organization)
    with psycopg.connect(
        host="127.0.0.1",
        port=fleet.server.port,
        user=f"{name}_app",
        password=password,
        dbname=database or name,
        require_auth="scram-sha-256",
    ) as session:
        row = session.execute("SELECT current_user::text").fetchone()
        assert row is not None
        return str(row[0])


def roles(fleet: Fleet) -> list[tuple[Any, ...]]:
    """Roles of the fleet with their verifiers and comments."""
    return fleet.rows(
        "SELECT rolname, rolpassword, shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname LIKE %s ORDER BY 1",
        f"o{fleet.id}%",
        database="postgres",
    )


def test_any_character_logs_in(fleet: Fleet) -> None:
    names = {f"o{number}": password for number, password in enumerate(PASSWORDS.values())}
    for name, password in names.items():
        declare(fleet, name, f"P_{name}")
        fleet.env[f"P_{name}"] = password
    fleet.apply()
    assert fleet.operations() == []
    for name, password in names.items():
        assert login(fleet, name, password) == f"{fleet.database(name)}_app"
    verifiers = [row[1] for row in roles(fleet) if row[0].endswith("_app")]
    assert len(verifiers) == len(names) and all(v.startswith("SCRAM-SHA-256$") for v in verifiers)


def test_only_its_own_password_and_its_own_database(fleet: Fleet) -> None:
    declare(fleet)
    declare(fleet, "wwf", "WWF_PASSWORD")
    fleet.env |= {"MSF_PASSWORD": SPECIAL, "WWF_PASSWORD": "another of her own"}
    fleet.apply()
    login(fleet, "msf", SPECIAL)
    for wrong in (SPECIAL + " ", SPECIAL[:-1], "another of her own"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            login(fleet, "msf", wrong)
    for foreign in (fleet.database("wwf"), fleet.main_database):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            login(fleet, "msf", SPECIAL, foreign)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "is empty"),
        ("nul\0in the middle", "NUL"),
        ("SCRAM-SHA-256$4096:c2FsdA==$bm90:YQ==", "hash"),
        ("SCRAM-SHA-256$garbage", "hash"),
        ("md5" + "0" * 32, "hash"),
        ("too short", "shorter"),
        ("changeme1234", "attacker"),
        ("Password1234!", "attacker"),
        ("administrator", "attacker"),
        ("aaaaaaaaaaaaaaaa", "attacker"),
    ],
)
def test_an_unfit_password_is_refused(fleet: Fleet, password: str, reason: str) -> None:
    fleet.write("secret", "a proper one, at first\n")
    fleet.organization("msf", "database: { mode: dedicated, password: { file: secret } }")
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPPORT, password: { file: secret } }")
    fleet.apply()
    before, audited = roles(fleet), fleet.rows("SELECT count(*) FROM tenantplan.audit_log")
    (fleet.root / "secret").write_bytes(password.encode() + b"\n")
    fleet.organization("msf", "contact: { phone: '1' }\ndatabase: { mode: dedicated, password: { file: secret } }")
    plan = fleet.plan()
    found = {b["address"]: b["message"] for b in plan["blockers"] if b["rule"] == "secret"}
    assert set(found) == {f"role/primary/{fleet.database('msf')}_app", "adminuser/ada@x.example"}
    assert all(reason in message for message in found.values())
    refused = fleet.apply(code=3)
    assert not password or password not in json.dumps(plan) + refused.out + refused.err
    assert roles(fleet) == before
    assert fleet.rows("SELECT count(*) FROM tenantplan.audit_log") == audited
    login(fleet, "msf", "a proper one, at first")


def test_a_missing_secret_is_a_blocker(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.plan()
    assert [b["rule"] for b in plan["blockers"]] == ["secret"]
    assert "MSF_PASSWORD is not set" in plan["blockers"][0]["message"]
    fleet.apply(code=3)
    assert fleet.databases() == []


def test_a_secret_that_goes_between_plan_and_apply_changes_nothing(fleet: Fleet) -> None:
    declare(fleet)
    fleet.env["MSF_PASSWORD"] = SPECIAL
    fleet.run("plan", "--out", "plan.json")
    fleet.env["MSF_PASSWORD"] = "short"
    late = fleet.run("apply", "plan.json", code=None)
    assert late.code != 0 and "short" not in (late.out + late.err).replace("shorter", "")
    assert not [row for row in roles(fleet) if row[1]]
    assert fleet.database("msf") not in fleet.databases()
    fleet.env["MSF_PASSWORD"] = SPECIAL
    fleet.apply()
    login(fleet, "msf", SPECIAL)


@pytest.mark.parametrize("which", ["MSF_PASSWORD", "ADA"])
def test_another_password_than_the_reviewed_one_is_not_set(fleet: Fleet, which: str) -> None:
    declare(fleet)
    admin(fleet, ADA=SPECIAL, MSF_PASSWORD=SPECIAL)
    fleet.apply()
    fleet.env[which] = "the reviewed one"
    fleet.run("plan", "--out", "plan.json")
    fleet.env[which] = "and yet another one"
    before = roles(fleet), stored(fleet), fleet.rows("SELECT count(*) FROM tenantplan.runs")
    assert f"env:{which}" in fleet.run("apply", "plan.json", code=4).err
    del fleet.env[which]
    assert f"{which} is not set" in fleet.run("apply", "plan.json", code=1).err
    assert (roles(fleet), stored(fleet), fleet.rows("SELECT count(*) FROM tenantplan.runs")) == before
    fleet.env[which] = "the reviewed one"
    fleet.run("apply", "plan.json")
    assert fleet.operations() == []


def test_a_changed_password_is_planned_and_set(fleet: Fleet) -> None:
    declare(fleet)
    fleet.env["MSF_PASSWORD"] = SPECIAL
    fleet.apply()
    fleet.env["MSF_PASSWORD"] = "quite another one!"
    (operation,) = fleet.plan()["operations"]
    assert (operation["action"], operation["class"]) == ("update", "risky")
    assert operation["address"] == f"role/primary/{fleet.database('msf')}_app"
    fleet.apply()
    assert fleet.operations() == []
    login(fleet, "msf", "quite another one!")
    with pytest.raises(psycopg.OperationalError):
        login(fleet, "msf", SPECIAL)


def test_the_same_password_under_another_name_is_no_change(fleet: Fleet) -> None:
    declare(fleet)
    fleet.env |= {"MSF_PASSWORD": SPECIAL, "PW_OF_MSF": SPECIAL}
    fleet.apply()
    declare(fleet, variable="PW_OF_MSF")
    assert fleet.operations() == []
    fleet.write("msf.secret", SPECIAL + "\n")
    fleet.organization("msf", "database: { mode: dedicated, password: { file: msf.secret } }")
    assert fleet.operations() == []


def admin(fleet: Fleet, **env: str) -> None:
    fleet.document("AdminUser", "ada@x.example", "{ displayName: Ada, role: SUPERADMIN, password: { env: ADA } }")
    fleet.env |= env


def stored(fleet: Fleet) -> str:
    return str(fleet.rows("SELECT password_hash FROM admin_users")[0][0])


def test_an_administrators_password_is_a_bcrypt_hash(fleet: Fleet) -> None:
    admin(fleet, ADA=SPECIAL)
    fleet.apply()
    assert fleet.operations() == []
    assert stored(fleet).startswith("$2b$")
    assert bcrypt.checkpw(SPECIAL.encode(), stored(fleet).encode())
    admin(fleet, ADA="and now another!")
    assert fleet.operations() == ["update adminuser/ada@x.example"]
    fleet.apply()
    assert fleet.operations() == []
    assert bcrypt.checkpw(b"and now another!", stored(fleet).encode())


def test_a_hash_written_by_somebody_else_is_found_and_repaired(fleet: Fleet) -> None:
    admin(fleet, ADA=SPECIAL)
    fleet.apply()
    intruder = bcrypt.hashpw(b"intruder", bcrypt.gensalt(4)).decode()
    fleet.execute("UPDATE admin_users SET password_hash = %s", intruder)
    assert fleet.operations() == ["update adminuser/ada@x.example"]
    fleet.apply()
    assert fleet.operations() == []
    assert bcrypt.checkpw(SPECIAL.encode(), stored(fleet).encode())


def test_more_than_bcrypt_reads_is_refused(fleet: Fleet) -> None:
    """bcrypt ignores what follows 72 bytes, so two such passwords would be one."""
    admin(fleet, ADA="0123456789" * 8)
    assert [(b["address"], b["rule"]) for b in fleet.plan()["blockers"]] == [("adminuser/ada@x.example", "secret")]
    fleet.apply(code=3)
    assert fleet.databases() == []


def test_each_is_read_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that compares a fleet deeply, and a drift, read each reference once."""
    fleet.settings("credentials: { formerKeys: [ { env: FORMER } ] }")
    fleet.env |= {"MSF_PASSWORD": SPECIAL, "CREDENTIALS_ENCRYPTION_KEY": new_key(), "FORMER": new_key()}
    declare(fleet)
    fleet.apply()
    read: Counter[str] = Counter()

    def counted(reference: str, root: Path) -> str:
        read[reference] += 1
        return resolve(reference, root)

    monkeypatch.setattr(references, "resolve", counted)
    every = {"env:MSF_PASSWORD", "env:TENANTPLAN_MAIN_URL", "env:CREDENTIALS_ENCRYPTION_KEY", "env:FORMER"}
    for command in (("plan", "--refresh", "deep"), ("drift",)):
        read.clear()
        fleet.run(*command)
        assert read == Counter(every)
