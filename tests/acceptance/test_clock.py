"""Grace periods and expiries go by the server's clock, whatever this machine's says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from acceptance.harness import Fleet

from tenantplan.postgres import clock

pytestmark = pytest.mark.once


def machine(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    monkeypatch.setattr(clock, "machine_time", lambda: datetime.now(UTC) + off)


@pytest.fixture
def deleted(fleet: Fleet) -> Fleet:
    """An organization that was deleted a moment ago, to be purged after a day."""
    fleet.settings("guard: { graceDays: 1, maxDeletes: 5 }")
    fleet.organization("acme", "protect: false\ndatabase: { mode: dedicated }")
    fleet.apply()
    fleet.organization("acme", "protect: false\nstate: deleted\ndatabase: { mode: dedicated }")
    fleet.apply()
    return fleet


def test_a_clock_that_is_ahead_purges_nothing(deleted: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, timedelta(hours=23))
    plan = deleted.plan()
    assert plan["operations"] == []
    (note,) = plan["notes"]
    assert note["rule"] == "clock" and "1380 minutes ahead of the main server's" in note["message"]


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
