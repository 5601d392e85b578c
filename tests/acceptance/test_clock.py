"""Grace periods and expiries go by the server's clock, whatever this machine's says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from acceptance.harness import Fleet

from tenantplan import clock
from tenantplan.secrets.box import new_key

pytestmark = pytest.mark.once


def machine(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    monkeypatch.setattr(clock, "machine_time", lambda: datetime.now(UTC) + off)


@pytest.fixture
def deleted(fleet: Fleet) -> Fleet:
    """An organization that was deleted a moment ago."""
    fleet.settings("guard: { graceDays: 1, maxDeletes: 5 }")
    fleet.organization("acme", "protect: false\ndatabase: { mode: dedicated }")
    fleet.apply()
    fleet.organization("acme", "protect: false\nstate: deleted\ndatabase: { mode: dedicated }")
    fleet.apply()
    return fleet


def test_a_clock_that_is_ahead_purges_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """By this machine's clock, the grace period of a day is over; by the server's, half of it."""
    fleet.settings("guard: { graceDays: 1, maxDeletes: 5 }")
    fleet.organization("acme", "protect: false")
    fleet.apply()
    fleet.organization("acme", "protect: false\nstate: deleted")
    fleet.apply()
    fleet.execute("UPDATE organizations SET deleted_at = deleted_at - interval '12 hours'")
    machine(monkeypatch, timedelta(hours=23))
    plan = fleet.plan()
    assert plan["operations"] == []
    (note,) = plan["notes"]
    assert note["rule"] == "clock" and "1380 minutes ahead of the main server's" in note["message"]
    fleet.execute("UPDATE organizations SET deleted_at = deleted_at - interval '18 hours'")
    machine(monkeypatch, timedelta(hours=-23))
    assert fleet.operations() == ["delete organization/acme"]


def test_what_is_deleted_is_stamped_by_the_server(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.settings("guard: { graceDays: 1, maxDeletes: 5 }")
    fleet.organization("acme", "protect: false\ndatabase: { mode: dedicated }")
    machine(monkeypatch, timedelta(hours=-20))
    fleet.apply()
    fleet.organization("acme", "protect: false\nstate: deleted\ndatabase: { mode: dedicated }")
    told = fleet.apply("--json")
    assert [note["rule"] for note in told.json["notes"]] == ["clock"]
    role = fleet.database("acme") + "_app"
    stamp = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s"
    ((comment,),) = fleet.rows(stamp, role)
    assert (
        f"{datetime.now(UTC):%Y-%m-%d}" in comment or f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%d}" in comment
    )


@pytest.mark.parametrize("off", [timedelta(days=2), timedelta(days=-2)])
def test_more_than_a_day_is_an_error(deleted: Fleet, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    deleted.organization("beta")
    deleted.run("plan", "--out", "plan.json")
    machine(monkeypatch, off)
    for command in (("plan",), ("apply", "plan.json", "--auto-approve")):
        told = deleted.run(*command, code=1)
        assert "this machine's clock is 2880 minutes" in told.err and "NTP" in told.err
    assert deleted.rows("SELECT count(*) FROM organizations WHERE slug = 'beta'") == [(0,)]


def test_a_few_seconds_are_nothing(deleted: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, timedelta(minutes=4))
    assert deleted.plan()["notes"] == []
    deleted.organization("beta")
    deleted.run("plan", "--out", "plan.json")
    deleted.run("apply", "plan.json", "--auto-approve")


@pytest.mark.parametrize(("planned", "applied"), [(23, 0), (0, -23), (0, 12)])
def test_a_plan_is_as_old_as_the_server_says(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, planned: int, applied: int
) -> None:
    """Neither from the future nor in a freeze, whichever of the two machines is off."""
    first, last = (datetime.now(UTC) + timedelta(hours=hours) for hours in (10, 16))
    fleet.settings(f"freeze: {{ from: '{first:%Y-%m-%dT%XZ}', until: '{last:%Y-%m-%dT%XZ}', reason: Inventory }}")
    fleet.organization("acme")
    machine(monkeypatch, timedelta(hours=planned))
    fleet.run("plan", "--out", "plan.json")
    machine(monkeypatch, timedelta(hours=applied))
    fleet.run("apply", "plan.json", "--auto-approve")
    fleet.organization("beta")  # the main database is there now
    machine(monkeypatch, timedelta(hours=planned))
    fleet.run("plan", "--out", "plan.json")
    machine(monkeypatch, timedelta(hours=applied))
    fleet.run("apply", "plan.json", "--auto-approve")
    assert fleet.rows("SELECT count(*) FROM organizations") == [(2,)]


def test_an_ignored_difference_ends_by_the_server(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    until = (datetime.now(UTC) + timedelta(minutes=5)).date()
    rule = f'{{ object: "*", reason: "being looked at", until: {until} }}'
    fleet.organization("acme")
    fleet.apply()
    fleet.execute("UPDATE organizations SET display_name = 'by hand'")
    fleet.settings(f"drift: {{ ignore: [ {rule} ] }}")
    machine(monkeypatch, timedelta(hours=23, minutes=50))
    assert "being looked at" in fleet.run("drift").out


def test_a_first_apply_more_than_a_day_off_makes_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signed plan, which is not made again."""
    fleet.env["PLAN_KEY"], public = fleet.run("credentials", "key", "--signing").out.split()
    fleet.write("plan.pub", public)
    fleet.settings("plans: { signingKey: { env: PLAN_KEY }, verifyKeys: [ { file: plan.pub } ] }")
    fleet.organization("acme")
    fleet.run("plan", "--out", "plan.json")
    machine(monkeypatch, timedelta(days=2))
    assert "this machine's clock is 2880 minutes" in fleet.run("apply", "plan.json", "--auto-approve", code=1).err
    assert fleet.rows("SELECT FROM pg_database WHERE datname = %s", fleet.main_database, database="postgres") == []


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """An organization whose password is due in an hour."""
    fleet.env["CREDENTIALS_ENCRYPTION_KEY"] = new_key()
    rotation = "password: { generate: true }, rotation: { everyDays: 30 }"
    fleet.organization("acme", f"database: {{ mode: dedicated, {rotation} }}")
    fleet.apply()
    fleet.execute("UPDATE database_logins SET set_at = set_at - interval '30 days' + interval '1 hour'")
    return fleet


def test_a_password_is_due_by_the_server(keyed: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, timedelta(hours=23))
    assert "Nothing is due" in keyed.run("credentials", "rotate", "--due").out
    assert [note["rule"] for note in keyed.plan()["notes"]] == ["clock"]
    (status,) = keyed.run("credentials", "status", "--json").json["logins"]
    assert status["due"] is False
    keyed.execute("UPDATE database_logins SET set_at = set_at - interval '2 hours'")
    machine(monkeypatch, timedelta(hours=-23))
    assert "new password" in keyed.run("credentials", "rotate", "--due").out
