"""Rotation of generated login passwords: one role or two that take turns, grace periods, and death at every step."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.neighbours import emails, neighbours
from acceptance.test_login_passwords import KEY, STORE, command, declare, kept, logs_in, targets
from servers import TestServer

POINTS = (
    "run-opened", "intent-recorded", "login-pending", "login-set", "login-delivered", "journal-closed",
    "audit-written", "committed", "run-closed",
)  # fmt: skip
STEPS = ("login-pending", "login-set", "login-delivered", "journal-closed")
ONE = ", rotation: { graceMinutes: 0 }"
TWO = ", rotation: { roles: 2, graceMinutes: 0 }"


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = KEY
    return fleet


def current(fleet: Fleet) -> dict[str, Any]:
    (login,) = kept(fleet)
    return login


def works(fleet: Fleet, login: dict[str, Any], server: Fleet | None = None) -> bool:
    return logs_in(server or fleet, login["role"], login["password"], login["database"])


def session(fleet: Fleet, login: dict[str, Any]) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1",
        port=fleet.server.port,
        user=login["role"],
        password=login["password"],
        dbname=login["database"],
    )


def alive(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def age(fleet: Fleet, interval: str) -> None:
    """Everything that is known of passwords happened so long before."""
    fleet.execute(
        "UPDATE database_logins SET set_at = set_at - %s::interval, superseded_at = superseded_at - %s::interval",
        interval,
        interval,
    )


def notes(fleet: Fleet) -> dict[str, str]:
    return {n["address"]: n["message"] for n in fleet.plan()["notes"] if n["rule"] == "rotation-due"}


def test_one_role_gets_a_new_password_at_once(keyed: Fleet) -> None:
    declare(keyed)
    keyed.apply()
    before = current(keyed)
    with session(keyed, before) as old:
        said = keyed.run("credentials", "rotate", "msf")
        after = current(keyed)
        assert "new password, delivered to main" in said.out and after["role"] == before["role"]
        assert before["password"] != after["password"] and after["password"] not in said.out + said.err
        assert not works(keyed, before) and works(keyed, after)
        assert alive(old)  # until its grace period ends
        keyed.converged()
        assert "No drift" in keyed.run("drift").out
        with session(keyed, after) as new:
            age(keyed, "59 minutes")
            assert keyed.operations() == []
            keyed.execute("UPDATE database_logins SET set_at = set_at - interval '2 minutes'")
            (operation,) = keyed.plan()["operations"]
            assert operation["address"] == f"role/primary/{before['role']}"
            assert "sessions" in operation["summary"] and "former password" in operation["summary"]
            # Aged, as it is here, it began before the new password: only the order of the two is real.
            keyed.execute("UPDATE database_logins SET set_at = set_at")
            del new
        keyed.apply()
    keyed.converged()
    assert keyed.rows("SELECT sessions_left FROM database_logins") == [(False,)]


def test_sessions_of_the_former_password_are_ended_and_others_stay(keyed: Fleet) -> None:
    declare(keyed, more=ONE)
    keyed.apply()
    old = session(keyed, current(keyed))
    keyed.run("credentials", "rotate", "msf")
    keyed.execute("SELECT pg_sleep(1.1)")
    new = session(keyed, current(keyed))
    assert alive(old) and alive(new)
    assert keyed.operations() == [f"update role/primary/{current(keyed)['role']}"]
    keyed.apply()
    assert not alive(old) and alive(new)
    new.close()
    keyed.converged()


def test_two_roles_take_turns(keyed: Fleet) -> None:
    declare(keyed, more=", rotation: { roles: 2 }")
    keyed.apply()
    keyed.converged()
    first = current(keyed)
    database = keyed.database("msf")
    assert first["role"] == f"{database}_app"
    old = session(keyed, first)
    keyed.run("credentials", "rotate", "msf")
    second = current(keyed)
    assert second["role"] == f"{database}_app2"
    assert works(keyed, first) and works(keyed, second) and alive(old)
    assert [row["role"] for row in kept(keyed, "previous")] == [first["role"]]
    keyed.converged()
    assert "No drift" in keyed.run("drift").out
    age(keyed, "61 minutes")
    assert keyed.operations() == [f"update role/primary/{first['role']}"]
    keyed.apply()
    assert not works(keyed, first) and works(keyed, second) and not alive(old)
    assert kept(keyed, "previous") == []
    keyed.converged()
    keyed.run("credentials", "rotate", "msf")
    third = current(keyed)
    assert third["role"] == first["role"] and third["password"] != first["password"] and works(keyed, third)
    keyed.converged()
    assert "No drift" in keyed.run("drift").out


def test_both_roles_see_the_same(keyed: Fleet) -> None:
    declare(keyed, more=TWO)
    keyed.apply()
    with session(keyed, current(keyed)) as one:
        one.execute("INSERT INTO donors (email) VALUES ('a@x.example')")
        one.commit()
    keyed.run("credentials", "rotate", "msf")
    with session(keyed, current(keyed)) as other:
        assert other.execute("UPDATE donors SET email = 'b@x.example'").rowcount == 1


def test_what_is_due_is_named_and_rotated(keyed: Fleet) -> None:
    for name in ("msf", "wwf"):
        declare(keyed, name, ", rotation: { everyDays: 30 }")
    declare(keyed, "irc", ", rotation: { everyDays: 300 }")
    keyed.apply()
    assert "Nothing is due" in keyed.run("credentials", "rotate", "--due").out
    before = {row["holder"]: row["password"] for row in kept(keyed)}
    age(keyed, "31 days")
    assert set(notes(keyed)) == {"organization/msf", "organization/wwf"}
    assert "tenantplan credentials rotate msf" in notes(keyed)["organization/msf"]
    assert keyed.operations() == []
    status = {row["holder"]: row for row in keyed.run("credentials", "status", "--json").json["logins"]}
    assert [status[f"organization/{name}"]["due"] for name in ("msf", "wwf", "irc")] == [True, True, False]
    assert "(due)" in keyed.run("credentials", "status").out
    found = keyed.run("credentials", "rotate", "--due", "--json").json["logins"]
    assert sorted(row["holder"] for row in found) == ["organization/msf", "organization/wwf"]
    after = {row["holder"]: row["password"] for row in kept(keyed)}
    assert {h for h in after if after[h] != before[h]} == {"organization/msf", "organization/wwf"}
    assert notes(keyed) == {}
    keyed.converged()


def test_another_target_is_named_and_taken_by_the_next_rotation(keyed: Fleet) -> None:
    declare(keyed)
    keyed.apply()
    targets(keyed, vault=command(keyed))
    declare(keyed, more=", deliver: vault")
    assert keyed.operations() == [] and "is to go to vault" in notes(keyed)["organization/msf"]
    keyed.run("credentials", "rotate", "msf")
    given = json.loads((keyed.root / "vault" / "msf.json").read_text())
    assert logs_in(keyed, given["role"], given["password"], given["database"])
    assert [row["password"] for row in kept(keyed)] == [None] and notes(keyed) == {}
    keyed.converged()


def test_back_to_one_role_lets_the_other_end_gently(keyed: Fleet) -> None:
    declare(keyed, more=", rotation: { roles: 2 }")
    keyed.apply()
    keyed.run("credentials", "rotate", "msf")
    second = current(keyed)
    declare(keyed)
    keyed.apply()
    assert current(keyed)["role"] == f"{keyed.database('msf')}_app"
    assert works(keyed, second) and works(keyed, current(keyed))
    keyed.converged()
    age(keyed, "61 minutes")
    keyed.apply()
    assert not works(keyed, second) and works(keyed, current(keyed))
    keyed.converged()


@pytest.mark.once
def test_what_cannot_be_rotated(keyed: Fleet) -> None:
    declare(keyed)
    keyed.organization("plain", "database: { mode: dedicated }")
    assert "pass --due" in keyed.run("credentials", "rotate", code=1).err
    assert "apply" in keyed.run("credentials", "rotate", "msf", code=1).err
    keyed.apply()
    assert "msf" in keyed.run("credentials", "rotate", "mfs", code=1).err
    assert "generate: true" in keyed.run("credentials", "rotate", "plain", code=1).err
    keyed.env.pop("CREDENTIALS_ENCRYPTION_KEY")
    before = keyed.rows("SELECT count(*) FROM tenantplan.runs")
    assert "CREDENTIALS_ENCRYPTION_KEY" in keyed.run("credentials", "rotate", "msf", code=1).err
    assert keyed.rows("SELECT count(*) FROM tenantplan.runs") == before


@pytest.mark.once
def test_a_rotation_takes_the_fleets_lock_and_leaves_what_waits_in_the_yaml(keyed: Fleet) -> None:
    from tenantplan.postgres import lock
    from tenantplan.postgres.lock_database import lock_database

    declare(keyed)
    keyed.apply()
    with keyed.connect(lock_database(keyed.main_database)) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [lock.KEY])
        assert "another apply is running" in keyed.run("credentials", "rotate", "msf", code=6).err
    keyed.organization(
        "msf", "state: suspended\ndatabase: { mode: dedicated, connectionLimit: 5, password: { generate: true } }"
    )
    waiting = keyed.operations()
    keyed.run("credentials", "rotate", "msf")
    assert works(keyed, current(keyed)) and keyed.operations() == waiting


@pytest.mark.once
def test_each_rotation_is_audited_once_with_a_keyed_hash(keyed: Fleet) -> None:
    declare(keyed)
    keyed.apply()
    keyed.run("credentials", "rotate", "msf")
    rows = keyed.rows(
        "SELECT address, action, result, after::text FROM tenantplan.audit_log WHERE run_id ="
        " (SELECT id FROM tenantplan.runs ORDER BY started_at DESC LIMIT 1)"
    )
    assert [row[:3] for row in rows] == [(f"role/primary/{current(keyed)['role']}", "update", "done")]
    assert json.loads(rows[0][3])["password"]["keyed"] and current(keyed)["password"] not in rows[0][3]


@pytest.fixture
def abroad(keyed: Fleet, fresh_server: Any) -> Fleet:
    """The fleet with a second server, as seen there."""
    other: TestServer = fresh_server()
    keyed.env["EU"] = other.url()
    return replace(keyed, root=keyed.root.parent / "abroad", server=other)


def stored(fleet: Fleet, target: str) -> dict[str, Any] | None:
    """The current login, as its application gets it."""
    if target == "main":
        return next(iter(kept(fleet)), None)
    place = fleet.root / "vault" / "msf.json"
    return json.loads(place.read_text()) if place.exists() else None


@pytest.mark.once
@pytest.mark.parametrize(
    ("more", "resume", "points"),
    [
        pytest.param(ONE, "rotate", STEPS, id="one role"),
        pytest.param(TWO, "apply", STEPS, id="two roles"),
        pytest.param(ONE, "apply", POINTS, id="one role, every point", marks=pytest.mark.slow),
        pytest.param(TWO, "rotate", POINTS, id="two roles, every point", marks=pytest.mark.slow),
    ],
)
def test_killed_at_each_step_one_password_always_works(
    keyed: Fleet, abroad: Fleet, more: str, resume: str, points: tuple[str, ...]
) -> None:
    """On another server, with a program as target: the way with the most steps."""
    spec = command(keyed)
    keyed.settings(
        f"servers: {{ eu: {{ url: {{ env: EU }} }} }}\ncredentials: {{ targets: {{ vault: {{ {spec} }} }} }}"
    )
    declare(keyed, more=f", server: eu, deliver: vault{more}")
    keyed.apply()
    for point in points:
        before = stored(keyed, "vault")
        assert before is not None
        killed = keyed.process("credentials", "rotate", "msf", env={"TENANTPLAN_FAILPOINT": point})
        assert killed.code == -9, f"{point}: {killed.out}{killed.err}"
        found = [row for row in (stored(keyed, "vault"), *kept(keyed, "pending")) if row]
        assert any(works(keyed, row, abroad) for row in found), point
        if resume == "rotate":
            keyed.run("credentials", "rotate", "--due")
        elif keyed.plan()["operations"] or keyed.plan()["unfinished"]:
            keyed.apply()
        age(keyed, "1 minute")
        keyed.run("credentials", "rotate", "--due")
        after = stored(keyed, "vault")
        assert after is not None and works(keyed, after, abroad), point
        assert kept(keyed, "pending") == kept(keyed, "previous") == []
        assert before["password"] == after["password"] or not works(keyed, before, abroad), point
        keyed.converged()
    assert keyed.rows("SELECT count(*) FROM tenantplan.credentials") == [(0,)]
    wrong = keyed.rows("SELECT address, result FROM tenantplan.audit_log WHERE result NOT IN ('done', 'recovered')")
    assert wrong == []


@pytest.mark.once
@pytest.mark.parametrize("point", ["effects-made", "audit-written", "committed", "run-closed"])
def test_in_the_main_database_it_is_one_transaction(keyed: Fleet, point: str) -> None:
    declare(keyed, more=ONE)
    keyed.apply()
    before = current(keyed)
    assert keyed.process("credentials", "rotate", "msf", env={"TENANTPLAN_FAILPOINT": point}).code == -9
    assert works(keyed, current(keyed)) and kept(keyed, "pending") == []
    changed = current(keyed)["password"] != before["password"]
    assert changed == (point in ("committed", "run-closed"))
    assert works(keyed, before) != changed
    keyed.run("credentials", "rotate", "--due")
    assert works(keyed, current(keyed))
    keyed.apply()
    keyed.converged()


@pytest.mark.once
@pytest.mark.parametrize("point", ["login-pending", "login-set", "login-delivered", "journal-closed"])
def test_killed_at_the_first_password(keyed: Fleet, point: str) -> None:
    targets(keyed, vault=command(keyed))
    declare(keyed, more=", deliver: vault")
    assert keyed.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point}).code == -9
    keyed.apply()
    given = json.loads((keyed.root / "vault" / "msf.json").read_text())
    assert logs_in(keyed, given["role"], given["password"], given["database"])
    assert kept(keyed, "pending") == [] and len(kept(keyed)) == 1
    keyed.converged()


@pytest.mark.once
def test_a_target_that_fails_keeps_the_former_password_of_the_other_role(keyed: Fleet) -> None:
    targets(keyed, vault=command(keyed))
    declare(keyed, more=f", deliver: vault{TWO}")
    keyed.apply()
    before = json.loads((keyed.root / "vault" / "msf.json").read_text())
    command(keyed, "import sys\nsys.exit(3)")
    said = keyed.run("credentials", "rotate", "msf", code=5)
    assert "exit code 3" in said.out
    assert logs_in(keyed, before["role"], before["password"], before["database"])
    assert keyed.run("credentials", "status", "--json").json["logins"][0]["pending"] is True
    assert (keyed.root / "store.py").write_text(STORE)
    keyed.run("credentials", "rotate", "msf")
    after = json.loads((keyed.root / "vault" / "msf.json").read_text())
    assert after["role"] != before["role"] and logs_in(keyed, after["role"], after["password"], after["database"])
    assert Path(keyed.root / "vault" / "msf.json").exists() and kept(keyed, "pending") == []


def test_what_is_revealed_is_the_login_whose_turn_it_is(keyed: Fleet) -> None:
    declare(keyed, more=TWO)
    keyed.apply()
    reason = ("--reveal", "--reason", "incident 42")
    for role in ("_app", "_app2"):
        url = keyed.run("db", "show", "msf", *reason).out.strip()
        with psycopg.connect(url) as connection:
            assert connection.info.user == f"{keyed.database('msf')}{role}"
        assert current(keyed)["password"] not in keyed.run("db", "show", "msf").out
        keyed.run("credentials", "rotate", "msf")
    entries = keyed.run("audit", "list", "--action", "reveal", "--json").json
    assert [entry["detail"] for entry in entries] == ["incident 42"] * 2
    keyed.env.pop("CREDENTIALS_ENCRYPTION_KEY")
    assert "CREDENTIALS_ENCRYPTION_KEY" in keyed.run("db", "show", "msf", *reason, code=1).err


@pytest.mark.once
def test_a_freeze_keeps_passwords_as_they_are(keyed: Fleet) -> None:
    declare(keyed)
    keyed.apply()
    before = current(keyed)
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    keyed.settings(f'freeze: {{ from: "2026-01-01T00:00:00Z", until: "{ends}", reason: Inventory }}')
    assert "Inventory" in keyed.run("credentials", "rotate", "msf", code=3).err
    assert current(keyed)["password"] == before["password"]
    keyed.settings("guard: { graceDays: 30 }")
    keyed.run("credentials", "rotate", "msf")
    assert current(keyed)["password"] != before["password"]


@pytest.mark.once
def test_the_end_of_many_grace_periods_is_no_mass_change(keyed: Fleet) -> None:
    names = [f"n{number}" for number in range(10)]
    for name in names:
        declare(keyed, name, TWO)
    keyed.apply()
    keyed.run("credentials", "rotate", *names)
    plan = keyed.plan()
    assert len(plan["operations"]) == 10 and plan["blockers"] == []
    keyed.apply()
    keyed.converged()


@pytest.mark.once
def test_rotated_again_within_the_grace_period(keyed: Fleet) -> None:
    declare(keyed, more=", rotation: { roles: 2 }")
    keyed.apply()
    first = current(keyed)
    keyed.run("credentials", "rotate", "msf")
    second = current(keyed)
    keyed.run("credentials", "rotate", "msf")
    third = current(keyed)
    assert third["role"] == first["role"] and works(keyed, third) and works(keyed, second)
    assert not works(keyed, first)
    assert [row["role"] for row in kept(keyed, "previous")] == [second["role"]]
    keyed.converged()


def test_logins_of_shared_mode_take_turns_and_see_their_own_rows_only(keyed: Fleet) -> None:
    neighbours(
        keyed, "database: { login: true, password: { generate: true }, rotation: { roles: 2, graceMinutes: 0 } }\n"
    )
    (first,) = [row for row in kept(keyed) if row["holder"] == "organization/acme"]
    assert first["database"] == keyed.main_database and first["role"] == f"{keyed.database('acme')}_app"
    keyed.run("credentials", "rotate", "acme")
    (second,) = [row for row in kept(keyed) if row["holder"] == "organization/acme"]
    assert second["role"] == f"{keyed.database('acme')}_app2"
    for login in (first, second):
        with session(keyed, login) as connection:
            assert emails(connection) == ["acme@secret.example"]
    assert keyed.operations() == [f"update role/primary/{first['role']}"]
    keyed.apply()
    assert not works(keyed, first) and works(keyed, second)
    keyed.converged()
    assert "No drift" in keyed.run("drift").out
