"""Passwords of logins that only read and of bound ones; what `db show` says of shared and deleted organizations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.test_login_passwords import kept, logs_in

from tenantplan.secrets.box import new_key

KEY = new_key()
REVEAL = ("--reveal", "--reason", "a look at it")
GENERATED = "password: { generate: true }, readOnly: true"


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    return fleet


def passwords(fleet: Fleet) -> dict[str, str]:
    """Every generated password by its role, as an application with the key reads them."""
    from acceptance import test_login_passwords as opening

    opening.KEY, before = KEY, opening.KEY
    try:
        return {row["role"]: row["password"] for row in kept(fleet)}
    finally:
        opening.KEY = before


def revealed(fleet: Fleet, name: str, *more: str) -> str:
    return str(fleet.run("db", "show", name, *REVEAL, *more, "--json").json["url"])


def signed_in(url: str) -> dict[str, str]:
    """Who a connection string logs in as, and with which password."""
    with psycopg.connect(url) as connection:
        return {"user": connection.info.user, "password": connection.info.password}


@pytest.mark.parametrize("mode", ["mode: dedicated", "login: true"])
def test_both_logins_have_a_password_and_are_rotated(keyed: Fleet, mode: str) -> None:
    keyed.organization("msf", f"database: {{ {mode}, {GENERATED} }}")
    keyed.apply()
    keyed.converged()
    app, reader = f"{keyed.database('msf')}_app", f"{keyed.database('msf')}_ro"
    first = passwords(keyed)
    assert set(first) == {app, reader} and first[app] != first[reader]
    shown = keyed.run("db", "show", "msf", "--json").json
    assert (shown["login"], shown["readOnlyLogin"]) == (app, reader)
    assert f"{reader}:***@" in shown["readOnlyUrl"] and f"{app}:***@" in shown["url"]
    for url, role in ((revealed(keyed, "msf"), app), (revealed(keyed, "msf", "--read-only"), reader)):
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
            assert connection.execute("SELECT count(*) FROM donors").fetchone() == (0,)
    with (
        psycopg.connect(revealed(keyed, "msf", "--read-only")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM donors")
    keyed.run("credentials", "rotate", "msf")
    second = passwords(keyed)
    assert set(second) == set(first) and not set(second.values()) & set(first.values())
    database = keyed.database("msf") if "dedicated" in mode else keyed.main_database
    assert logs_in(keyed, reader, second[reader], database) and not logs_in(keyed, reader, first[reader], database)
    keyed.converged()
    assert "No drift" in keyed.run("drift").out


@pytest.mark.once
def test_one_rotation_leaves_the_other_login_alone(keyed: Fleet) -> None:
    """Two roles that take turns and a reader: none of them takes the other's place, under a new name neither."""
    keyed.organization("msf", f"database: {{ mode: dedicated, {GENERATED}, rotation: {{ roles: 2 }} }}")
    keyed.apply()
    reader = f"{keyed.database('msf')}_ro"
    before = passwords(keyed)[reader]
    keyed.execute("UPDATE database_logins SET set_at = now() - interval '91 days' WHERE role_name NOT LIKE '%\\_ro'")
    notes = [n["address"] for n in keyed.plan()["notes"] if n["rule"] == "rotation-due"]
    assert notes == ["organization/msf"]
    keyed.run("credentials", "rotate", "--due")
    states = "SELECT right(role_name, 4), state FROM database_logins ORDER BY 1"
    assert keyed.rows(states) == [("_app", "previous"), ("app2", "current"), ("f_ro", "current")]
    assert passwords(keyed)[reader] == before
    keyed.remove("Organization", "msf")
    body = f"database: {{ mode: dedicated, {GENERATED}, rotation: {{ roles: 2 }} }}"
    keyed.organization("doctors", body, renamedFrom="msf")
    keyed.apply()
    keyed.converged()
    assert passwords(keyed)[f"{keyed.database('doctors')}_ro"] == before
    assert signed_in(revealed(keyed, "doctors", "--read-only"))["user"] == f"{keyed.database('doctors')}_ro"


@pytest.mark.once
def test_a_reader_has_a_password_of_its_own_by_reference(keyed: Fleet) -> None:
    keyed.env |= {"APP": "long-and-random-5Xq!", "READER": "other-and-random-7Zk!"}
    body = "mode: dedicated, readOnly: true, password: { env: APP }"
    keyed.organization("msf", f"database: {{ {body} }}")
    keyed.apply()
    assert "does not know the password" in keyed.run("db", "show", "msf", *REVEAL, "--read-only", code=1).err
    keyed.organization("msf", f"database: {{ {body}, readOnlyPassword: {{ env: READER }} }}")
    keyed.apply()
    keyed.converged()
    assert signed_in(revealed(keyed, "msf", "--read-only"))["password"] == keyed.env["READER"]
    keyed.organization("msf", f"database: {{ {body}, readOnlyPassword: {{ generate: true }} }}")
    keyed.apply()
    assert signed_in(revealed(keyed, "msf", "--read-only"))["password"] not in keyed.env.values()
    assert signed_in(revealed(keyed, "msf"))["password"] == keyed.env["APP"]
    keyed.organization("plain", "database: { mode: dedicated }")
    assert "no login that only reads" in keyed.run("db", "show", "plain", *REVEAL, "--read-only", code=1).err
    assert "--reveal" in keyed.run("db", "show", "msf", "--read-only", code=1).err
    keyed.organization("msf", "database: { readOnly: false, readOnlyPassword: { generate: true } }")
    assert "readOnlyPassword" in keyed.run("validate", code=1).err


@pytest.mark.once
def test_readers_are_delivered_beside_their_application(keyed: Fleet) -> None:
    keyed.settings("credentials: { targets: { files: { file: 'handed/{organization}.json' } } }")
    (keyed.root / "handed").mkdir(mode=0o700)
    keyed.organization("msf", f"database: {{ mode: dedicated, {GENERATED}, deliver: files }}")
    keyed.apply()
    keyed.converged()
    found = {path.name: path.read_text() for path in (keyed.root / "handed").iterdir()}
    assert set(found) == {"msf.json", "msf.read-only.json"}
    assert "_app" in found["msf.json"] and "_ro" in found["msf.read-only.json"]


@pytest.mark.once
def test_a_shared_organization_has_no_administrators_url(fleet: Fleet) -> None:
    fleet.organization("plain")
    pool = f"{fleet.main_database}_pool"
    before = fleet.run("db", "show", "plain", "--json").json
    assert before["login"] == "" and before["pool"] == pool
    fleet.apply()
    shown = fleet.run("db", "show", "plain")
    assert "tp_admin" not in shown.out and pool in shown.out
    app = f"shop_{fleet.id}"
    fleet.execute(f"CREATE ROLE {app} LOGIN IN ROLE {pool}", database="postgres")
    try:
        shown = fleet.run("db", "show", "plain", "--json").json
        assert shown["login"] == app and f"//{app}@" in shown["url"] and shown["url"].endswith(fleet.main_database)
        refused = fleet.run("db", "show", "plain", *REVEAL, code=1).err
        assert "no login of its own" in refused and pool in refused
    finally:
        fleet.execute(f"DROP ROLE {app}", database="postgres")


@pytest.mark.once
@pytest.mark.parametrize("mode", ["dedicated", "shared"])
def test_a_deleted_organization_shows_its_tombstone(fleet: Fleet, mode: str) -> None:
    fleet.settings("guard: { graceDays: 7 }")
    fleet.organization("msf", f"protect: false\ndatabase: {{ mode: {mode} }}")
    fleet.apply()
    fleet.organization("msf", f"protect: false\nstate: deleted\ndatabase: {{ mode: {mode} }}")
    fleet.apply("--allow-deletes", "1")
    names = fleet.rows("SELECT datname::text FROM pg_database WHERE datname LIKE 'tp\\_deleted\\_%%'"
                       " AND shobj_description(oid, 'pg_database') LIKE %s", f"%{fleet.name}%")  # fmt: skip
    tombstone = names[0][0] if mode == "dedicated" else ""
    assert len(names) == (mode == "dedicated")
    day = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}"
    status = fleet.run("status", "msf", "--json").json
    assert (status["tombstone"] or "", status["purgedFrom"]) == (tombstone, day)
    if mode == "dedicated":
        assert status["database"] == tombstone and fleet.database("msf") not in fleet.run("status", "msf").out
    assert day in fleet.run("status").out and tombstone in fleet.run("status").out
    for _ in range(2):  # declared as deleted, and not declared any more
        shown = fleet.run("db", "show", "msf")
        assert tombstone in shown.out and day in shown.out and "tp_admin" not in shown.out
        assert not shown.out.count(f"{fleet.database('msf')}\n")
        refused = fleet.run("db", "show", "msf", *REVEAL, code=1).err
        assert "can be restored until" in refused and "metadata.restore" in refused
        assert "can be restored until" in fleet.run("db", "test", "msf", code=1).out
        fleet.organization("other")
        if (fleet.root / "tenants" / "organization-msf.yaml").exists():
            fleet.remove("Organization", "msf")
