"""Passwords of login roles that tenantplan generates and delivers."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from psycopg.conninfo import make_conninfo

from tenantplan.secrets.box import CredentialPlace, new_key, vault

KEY = new_key()
GENERATED = "database: {{ mode: dedicated, password: {{ generate: true }}{} }}"
STORE = """
import json, pathlib, sys
given = json.load(sys.stdin)
place = pathlib.Path(sys.argv[1]) / (given["organization"] + ".json")
place.write_text(json.dumps(given))
"""


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    return fleet


def declare(fleet: Fleet, name: str = "msf", more: str = "", body: str = "") -> None:
    fleet.organization(name, GENERATED.format(more) + "\n" + body)


def targets(fleet: Fleet, **found: str) -> None:
    listed = ", ".join(f"{name}: {{ {target} }}" for name, target in found.items())
    fleet.settings(f"credentials: {{ targets: {{ {listed} }} }}")


def kept(fleet: Fleet, state: str = "current") -> list[dict[str, Any]]:
    """What an application with the key reads, by holder."""
    rows = fleet.rows(
        "SELECT id::text, holder, server, host, port, database_name, role_name, target, password FROM database_logins"
        " WHERE state = %s ORDER BY holder",
        state,
    )
    names = ("id", "holder", "server", "host", "port", "database", "role", "target", "password")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for row in found:
        if row["password"] is not None:
            row["password"] = vault(KEY).open(
                CredentialPlace("database_logins", row["id"], "password"), bytes(row["password"])
            )
    return found


def logs_in(fleet: Fleet, role: str, password: str, database: str) -> bool:
    given = {"host": "127.0.0.1", "port": str(fleet.server.port), "require_auth": "scram-sha-256"}
    try:
        psycopg.connect(make_conninfo(**given, user=role, password=password, dbname=database)).close()
    except psycopg.OperationalError as error:
        refused = str(error)
    else:
        return True
    assert "password authentication failed" in refused or "is not permitted to log in" in refused
    return False


def test_a_generated_password_logs_in_and_is_nowhere_in_plain(keyed: Fleet) -> None:
    with keyed.server.superuser_connect() as server:
        server.execute("ALTER SYSTEM SET log_statement = 'all'")
        server.execute("SELECT pg_reload_conf()")
    try:
        declare(keyed)
        first, second = keyed.run("plan", "--format", "json"), keyed.run("plan", "--format", "json")
        assert first.json["digest"] == second.json["digest"]
        applied = keyed.apply()
    finally:
        with keyed.server.superuser_connect() as server:
            server.execute("ALTER SYSTEM RESET log_statement")
            server.execute("SELECT pg_reload_conf()")
    (login,) = kept(keyed)
    assert (login["holder"], login["server"], login["port"]) == ("organization/msf", "primary", keyed.server.port)
    assert login["role"] == f"{keyed.database('msf')}_app" and login["database"] == keyed.database("msf")
    assert len(login["password"]) == 32 and login["password"].isalnum()
    assert logs_in(keyed, login["role"], login["password"], login["database"])
    keyed.converged()
    assert "No drift" in keyed.run("drift").out
    audit = json.dumps(keyed.rows("SELECT before::text, after::text, detail FROM tenantplan.audit_log"))
    journal = json.dumps(keyed.rows("SELECT before::text, after::text, error FROM tenantplan.operations"))
    for said in (first.out, applied.out, applied.err, audit, journal, keyed.server.log_text()):
        assert login["password"] not in said
    assert '"keyed":"' in keyed.rows(
        "SELECT after::text FROM tenantplan.audit_log WHERE address LIKE '%%_app' AND action = 'create'"
    )[0][0].replace(" ", "")


def test_each_login_has_a_password_of_its_own(keyed: Fleet) -> None:
    for name in ("msf", "wwf", "irc"):
        declare(keyed, name)
    keyed.apply()
    logins = {row["holder"]: row for row in kept(keyed)}
    assert len(logins) == len({row["password"] for row in logins.values()}) == 3
    one, other = logins["organization/msf"], logins["organization/wwf"]
    assert not logs_in(keyed, one["role"], other["password"], one["database"])


def test_without_a_key_nothing_is_generated(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.plan()
    assert [(b["address"], b["rule"]) for b in plan["blockers"]] == [
        (f"role/primary/{fleet.database('msf')}_app", "secret")
    ]
    assert "CREDENTIALS_ENCRYPTION_KEY" in plan["blockers"][0]["message"]
    fleet.apply(code=3)
    assert fleet.databases() == []


def test_a_file_of_each_organization(keyed: Fleet) -> None:
    targets(keyed, files='file: "handed/{organization}.env"', json='file: "handed/{organization}.json"')
    declare(keyed, "msf", ", deliver: files")
    declare(keyed, "wwf", ", deliver: json")
    keyed.apply()
    assert [(row["holder"], row["target"], row["password"]) for row in kept(keyed)] == [
        ("organization/msf", "files", None),
        ("organization/wwf", "json", None),
    ]
    assert keyed.rows("SELECT count(*) FROM tenantplan.credentials") == [(0,)]
    handed = keyed.root / "handed"
    assert stat.S_IMODE(handed.stat().st_mode) == 0o700 and sorted(p.name for p in handed.iterdir()) == [
        "msf.env",
        "wwf.json",
    ]
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in handed.iterdir())
    found = dict(line.split("=", 1) for line in (handed / "msf.env").read_text().splitlines())
    assert logs_in(keyed, found["PGUSER"], found["PGPASSWORD"], found["PGDATABASE"])
    with psycopg.connect(found["DATABASE_URL"]) as session:
        assert session.info.dbname == keyed.database("msf")
    given = json.loads((handed / "wwf.json").read_text())
    with psycopg.connect(given["url"]) as session:
        assert session.info.user == given["role"] == f"{keyed.database('wwf')}_app"
    keyed.converged()
    assert "delivered to files and is not kept" in keyed.run("drift", code=2).out  # so that it cannot be compared
    delivered = keyed.rows("SELECT organization, detail FROM tenantplan.audit_log WHERE action = 'deliver' ORDER BY 1")
    assert [row[0] for row in delivered] == ["organization/msf", "organization/wwf"]


def command(fleet: Fleet, script: str = STORE, place: str = "vault") -> str:
    (fleet.root / place).mkdir(exist_ok=True)
    fleet.write("store.py", script)
    return f"command: [{json.dumps(sys.executable)}, store.py, {place}]"


def test_a_command_gets_it_on_its_standard_input(keyed: Fleet) -> None:
    targets(keyed, vault=command(keyed))
    declare(keyed, more=", deliver: vault")
    keyed.apply()
    given = json.loads((keyed.root / "vault" / "msf.json").read_text())
    assert sorted(given) == ["database", "host", "organization", "password", "port", "role", "url"]
    assert logs_in(keyed, given["role"], given["password"], given["database"])
    assert [row["password"] for row in kept(keyed)] == [None]
    keyed.converged()


def test_a_command_that_fails_is_named_and_what_it_says_is_not_shown(keyed: Fleet) -> None:
    said = 'import sys\ngiven = sys.stdin.read()\nopen("given", "w").write(given)\nprint(given)\nsys.exit(given)'
    targets(keyed, vault=command(keyed, said))
    declare(keyed, more=", deliver: vault")
    failed = keyed.apply(code=5)
    password = json.loads((keyed.root / "given").read_text())["password"]
    assert "target vault" in failed.out and sys.executable in failed.out and "exit code 1" in failed.out
    audit = json.dumps(keyed.rows("SELECT before::text, after::text, detail FROM tenantplan.audit_log"))
    assert all(password not in text for text in (failed.out, failed.err, audit))
    (pending,) = kept(keyed, "pending")
    assert pending["password"] == password and logs_in(keyed, pending["role"], password, pending["database"])
    role = f"role/primary/{keyed.database('msf')}_app"
    assert f"update {role}" in keyed.operations()
    command(keyed)
    keyed.apply()  # the same password again
    given = json.loads((keyed.root / "vault" / "msf.json").read_text())
    assert given["password"] == password and kept(keyed, "pending") == []
    keyed.converged()


def test_a_command_sees_no_secret_of_the_fleet(keyed: Fleet) -> None:
    script = 'import json, os, pathlib\npathlib.Path("seen.json").write_text(json.dumps(dict(os.environ)))'
    keyed.env["VAULT_ADDR"] = "https://vault.example"
    targets(keyed, vault=command(keyed, script))
    declare(keyed, more=", deliver: vault")
    keyed.apply()
    seen = json.loads((keyed.root / "seen.json").read_text())
    assert seen["VAULT_ADDR"] == "https://vault.example"
    assert not {"CREDENTIALS_ENCRYPTION_KEY", "TENANTPLAN_MAIN_URL"} & seen.keys()
    assert not any(KEY in value or keyed.server.url() in value for value in seen.values())


@pytest.mark.once
def test_a_command_that_hangs_or_is_not_there(keyed: Fleet) -> None:
    slow = command(keyed, "import time\ntime.sleep(60)")
    targets(keyed, vault=slow + ", timeoutSeconds: 1", none="command: [no-such-program]")
    declare(keyed, more=", deliver: vault")
    assert "took longer than 1 s" in keyed.apply(code=5).out
    declare(keyed, more=", deliver: none")
    assert "no-such-program cannot be started" in keyed.apply(code=5).out


def test_documents_name_targets_and_never_define_them(keyed: Fleet) -> None:
    targets(keyed, vault=command(keyed))
    declare(keyed, more=", deliver: vualt")
    assert "there is no target `vualt`" in keyed.run("validate", code=1).err
    declare(keyed, more=", deliver: { command: [touch, pwned] }")
    keyed.run("validate", code=1)
    declare(keyed, more=", deliver: main, rotation: { roles: 3 }")
    keyed.run("validate", code=1)
    keyed.organization("msf", "database: { mode: dedicated, password: { env: X, generate: true } }")
    assert "exactly one of" in keyed.run("validate", code=1).err
    keyed.organization("msf", "database: { mode: dedicated, password: { env: X }, rotation: { roles: 2 } }")
    assert "`rotation` is for a password that tenantplan generates" in keyed.run("validate", code=1).err


@pytest.mark.once
@pytest.mark.parametrize("place", ["handed", "{organization}"])
def test_a_folder_that_others_can_write_to_is_refused(keyed: Fleet, place: str, tmp_path: Path) -> None:
    targets(keyed, files=f'file: "{tmp_path}/open/{place}/{{organization}}.env"')
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    declare(keyed, more=", deliver: files")
    assert "others can write to it" in keyed.apply(code=5).out
    assert list((tmp_path / "open").iterdir()) == []
    (tmp_path / "open").chmod(0o755)
    keyed.apply()
    keyed.converged()


@pytest.mark.once
def test_a_link_of_somebody_else_is_not_followed(keyed: Fleet, tmp_path: Path) -> None:
    import os

    (tmp_path / "theirs").mkdir()
    os.symlink(tmp_path / "theirs", keyed.root / "handed")
    os.lchown(keyed.root / "handed", 65534, 65534) if os.geteuid() == 0 else pytest.skip("needs root")
    targets(keyed, files='file: "handed/{organization}.env"')
    declare(keyed, more=", deliver: files")
    assert "belongs to another user" in keyed.apply(code=5).out
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_tier_names_the_target_and_an_organization_may_say_otherwise(keyed: Fleet) -> None:
    targets(keyed, vault=command(keyed))
    defaults = "mode: dedicated, password: { generate: true }, deliver: vault"
    keyed.document("Tier", "pro", f"displayName: Pro\ndefaults: {{ database: {{ {defaults} }} }}")
    keyed.organization("msf", "tier: pro")
    keyed.organization("wwf", "tier: pro\ndatabase: { deliver: main }")
    keyed.organization("irc", "tier: pro\ndatabase: { password: { env: IRC } }")
    keyed.organization("few", "tier: pro\ndatabase: { mode: shared }")
    keyed.env["IRC"] = "by reference, this one"
    keyed.document("Tenant", "paris", "organization: msf\ndisplayName: Paris\ndatabase: { mode: dedicated }")
    keyed.apply()
    assert [(row["holder"], row["target"]) for row in kept(keyed)] == [
        ("organization/msf", "vault"),
        ("organization/wwf", "main"),
        ("tenant/paris", "vault"),
    ]
    assert sorted(p.name for p in (keyed.root / "vault").iterdir()) == ["msf.json", "tenant.paris.json"]
    assert logs_in(keyed, f"{keyed.database('irc')}_app", "by reference, this one", keyed.database("irc"))
    keyed.document("Tier", "bad", "displayName: Bad\ndefaults: { database: { password: { env: X } } }")
    keyed.run("validate", code=1)


def test_from_a_reference_to_a_generated_one_and_back(keyed: Fleet) -> None:
    keyed.env["MSF"] = "by reference, at first"
    keyed.organization("msf", "database: { mode: dedicated, password: { env: MSF } }")
    keyed.apply()
    role, database = f"{keyed.database('msf')}_app", keyed.database("msf")
    declare(keyed)
    assert keyed.operations() == [f"update role/primary/{role}"]
    keyed.apply()
    (login,) = kept(keyed)
    assert logs_in(keyed, role, login["password"], database)
    assert not logs_in(keyed, role, "by reference, at first", database)
    keyed.converged()
    keyed.organization("msf", "database: { mode: dedicated, password: { env: MSF } }")
    keyed.apply()
    assert kept(keyed) == [] and keyed.rows("SELECT count(*) FROM tenantplan.credentials") == [(0,)]
    assert logs_in(keyed, role, "by reference, at first", database)
    keyed.converged()


def test_it_follows_a_rename_a_suspension_a_deletion_and_a_purge(keyed: Fleet) -> None:
    declare(keyed, body="protect: false")
    keyed.apply()
    (login,) = kept(keyed)
    keyed.remove("Organization", "msf")
    keyed.organization("doctors", GENERATED.format("") + "\nprotect: false", renamedFrom="msf")
    keyed.apply()
    (renamed,) = kept(keyed)
    assert keyed.rows("SELECT count(*) FROM tenantplan.credentials") == [(1,)]
    assert renamed["password"] == login["password"] and renamed["holder"] == "organization/doctors"
    assert renamed["role"] == f"{keyed.database('doctors')}_app" and renamed["database"] == keyed.database("doctors")
    assert logs_in(keyed, renamed["role"], renamed["password"], renamed["database"])
    keyed.converged()
    declare(keyed, "doctors", body="protect: false\nstate: suspended")
    keyed.apply()
    keyed.converged()
    declare(keyed, "doctors", body="protect: false")
    keyed.apply()
    assert logs_in(keyed, renamed["role"], renamed["password"], renamed["database"])
    declare(keyed, "doctors", body="protect: false\nstate: deleted")
    keyed.apply("--allow-deletes", "1")
    keyed.settings("guard: { graceDays: 0 }")
    keyed.apply("--allow-deletes", "1")
    assert kept(keyed) == [] and keyed.rows("SELECT count(*) FROM tenantplan.credentials") == [(0,)]
    keyed.converged()


@pytest.mark.once
def test_rekey_takes_generated_passwords_along(keyed: Fleet) -> None:
    declare(keyed)
    keyed.apply()
    (login,) = kept(keyed)
    other = new_key()
    keyed.settings("credentials: { formerKeys: [ { env: FORMER } ] }")
    keyed.env |= {"FORMER": KEY, "CREDENTIALS_ENCRYPTION_KEY": other}
    assert keyed.run("credentials", "rekey", "--json").json["rekeyed"] == 1
    place = CredentialPlace("database_logins", login["id"], "password")
    (box,) = keyed.rows("SELECT password FROM database_logins")[0]
    assert vault(other).open(place, bytes(box)) == login["password"]
    keyed.converged()


@pytest.mark.once
def test_nobody_is_handed_the_login_of_somebody_else(keyed: Fleet) -> None:
    targets(keyed, files='file: "handed/{organization}.env"')
    declare(keyed, more=", deliver: files")
    keyed.apply()
    for body in (
        "secrets: { theirs: { value: { file: handed/msf.env } } }",
        "database: { mode: dedicated, password: { file: ./handed/../handed/msf.env } }",
    ):
        keyed.organization("evil", body)
        assert "is a secret of the fleet itself" in keyed.run("validate", code=1).err
    keyed.remove("Organization", "evil")
    keyed.document("Release", "node", "{ version: 1.0.0, file: handed/msf.env }")
    assert [b["address"] for b in keyed.plan()["blockers"] if "holds a secret" in b["message"]] == ["package/1.0.0"]
