"""Risky changes wait for their change window, all changes for the end of a freeze; nothing of that is lost on the way."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

from tenantplan.model.live import Survey

pytestmark = pytest.mark.once
HOUR = timedelta(hours=1)


def window(start: timedelta, selector: str = "") -> str:
    """A daily window of two hours that opened, or opens, so long from now."""
    opens = datetime.now(UTC) + start
    return f"{{ schedule: {opens.minute} {opens.hour} * * *, duration: 2h{selector and f', selector: {selector}'} }}"


OPEN, CLOSED = -HOUR, 3 * HOUR


def rules(fleet: Fleet, *windows: str, freeze: str = "") -> None:
    fleet.settings(
        f"guard: {{ maxChangedPercent: 100, maxDeletes: 9 }}\nrollout: {{ windows: [ {', '.join(windows)} ] }}"
        + (f"\nfreeze: {freeze}" if freeze else "")
    )


def frozen(start: timedelta, end: timedelta, spared: str = "") -> str:
    first, last = ((datetime.now(UTC) + moment).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (start, end))
    return f'{{ from: "{first}", until: "{last}", reason: Christmas{spared and f", except: {spared}"} }}'


def slugs(fleet: Fleet, where: str) -> list[str]:
    return [slug for (slug,) in fleet.rows(f"SELECT slug FROM organizations WHERE {where} ORDER BY 1")]


def deferred(fleet: Fleet) -> dict[str, str]:
    return {d["address"]: d["why"] for d in fleet.plan()["deferred"]}


@pytest.fixture
def three(fleet: Fleet) -> Fleet:
    """Three live organizations, of two tiers."""
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.document("Tier", "enterprise", "displayName: Enterprise")
    for name in ("a", "b", "z"):
        fleet.organization(name, f"protect: false\ntier: {'enterprise' if name == 'z' else 'pro'}")
    fleet.apply()
    return fleet


def state(fleet: Fleet, name: str, body: str) -> None:
    fleet.organization(name, f"protect: false\ntier: {'enterprise' if name == 'z' else 'pro'}\n{body}")


def test_what_is_risky_waits_and_the_rest_runs(three: Fleet) -> None:
    rules(three, window(CLOSED))
    state(three, "a", "state: suspended")
    state(three, "b", "featureFlags: { A: true }")
    plan = three.plan()
    assert [o["address"] for o in plan["operations"]] == ["organization/b"]
    assert plan["summary"]["update"] == 1
    (waiting,) = plan["deferred"]
    until = (datetime.now(UTC) + CLOSED).strftime("%Y-%m-%dT%H:%M:00Z")
    assert (waiting["address"], waiting["action"], waiting["why"]) == ("organization/a", "update", "change window")
    assert abs(datetime.fromisoformat(waiting["until"]) - datetime.fromisoformat(until)) <= timedelta(minutes=1)
    assert plan["digest"] == three.plan()["digest"]
    three.apply()
    assert slugs(three, "state = 'suspended'") == []
    assert slugs(three, "feature_flags <> '{}'") == ["b"]
    rules(three, window(OPEN))
    assert deferred(three) == {}
    three.apply()
    assert slugs(three, "state = 'suspended'") == ["a"]
    three.converged()


def test_a_plan_of_nothing_but_what_waits(three: Fleet) -> None:
    rules(three, window(CLOSED))
    state(three, "a", "state: suspended")
    result = three.run("plan", "--detailed-exitcode", code=2)
    assert "  z organization/a" in result.out and "(change window)" in result.out
    assert "Nothing to apply now: 1 operation deferred." in result.out
    for form in ("markdown", "html"):
        assert "deferred until" in three.run("plan", "--format", form).out
    runs = three.rows("SELECT count(*) FROM tenantplan.runs")
    three.apply()
    assert three.rows("SELECT count(*) FROM tenantplan.runs") == runs
    state(three, "a", "")
    shown = three.run("plan", "--detailed-exitcode", "--refresh", "deep").out
    assert shown.endswith("No changes. The live fleet matches the YAML.\n")


def test_a_tier_has_its_own_window(three: Fleet) -> None:
    rules(three, window(OPEN), window(CLOSED, "{ tier: enterprise }"))
    for name in ("a", "z"):
        state(three, name, "state: suspended")
    assert deferred(three) == {"organization/z": "change window"}
    three.apply()
    assert slugs(three, "state = 'suspended'") == ["a"]
    rules(three, window(CLOSED), window(OPEN, "{ tier: enterprise }"))
    three.apply()
    assert slugs(three, "state = 'suspended'") == ["a", "z"]
    three.converged()


def test_what_nobody_made_a_window_for_is_free(three: Fleet) -> None:
    rules(three, window(CLOSED, "{ tier: enterprise }"))
    state(three, "a", "state: suspended")
    assert deferred(three) == {}


def test_a_deletion_waits_for_the_window_of_what_is_deleted(fleet: Fleet) -> None:
    """What is deleted has no row in the YAML any more; its mode is that of the live one."""
    fleet.organization("d", "protect: false\ndatabase: { mode: dedicated }")
    fleet.document("Tenant", "t", "{ organization: d, displayName: T, protect: false }")
    fleet.apply()
    fleet.organization("d", "state: deleted\nprotect: false\ndatabase: { mode: dedicated }")
    fleet.document("Tenant", "t", "{ organization: d, displayName: T, protect: false, state: deleted }")
    rules(fleet, window(CLOSED, "{ mode: dedicated }"))
    plan = fleet.plan()
    assert (plan["operations"], plan["blockers"]) == ([], [])
    assert {"organization/d", "tenant/t"} <= {d["address"] for d in plan["deferred"]}
    fleet.apply()
    assert fleet.database("d") in fleet.databases()
    rules(fleet, window(OPEN, "{ mode: dedicated }"))
    fleet.apply()
    assert fleet.database("d") not in fleet.databases()
    fleet.converged()


def test_migrations_wait_and_new_organizations_do_not(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.settings(migrations="migrations/tenant")
    for name in ("a", "b"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.apply()
    before = tree.head
    tree.add("a0000001", 'op.execute("ALTER TABLE donors ADD COLUMN nickname text")')
    fleet.organization("new", "database: { mode: dedicated }")
    spec = f"rollout: {{ windows: [ {window(CLOSED, '{ mode: dedicated }')} ] }}"
    fleet.settings(spec, migrations="migrations/tenant")
    shown = fleet.run("plan").out
    assert "z 2 databases" in shown and f"migrate {before} -> a0000001: 1 revision, deferred until" in shown
    fleet.apply()
    for name, revision in (("a", before), ("b", before), ("new", "a0000001")):
        assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database(name)) == [(revision,)]
    fleet.settings(f"rollout: {{ windows: [ {window(OPEN, '{ mode: dedicated }')} ] }}", migrations="migrations/tenant")
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("a")) == [("a0000001",)]


def test_what_is_new_needs_no_window_and_waits_for_the_end_of_a_freeze(fleet: Fleet) -> None:
    fleet.organization("a")
    rules(fleet, window(CLOSED), freeze=frozen(-HOUR, HOUR))
    assert "organization/a" in deferred(fleet)
    rules(fleet, window(CLOSED))
    assert deferred(fleet) == {}
    fleet.apply()
    fleet.converged()


def test_a_freeze_keeps_everything_but_what_it_spares(three: Fleet) -> None:
    rules(three, freeze=frozen(-HOUR, HOUR, "{ tier: enterprise }"))
    for name in ("a", "z"):
        state(three, name, "featureFlags: { A: true }")
    assert deferred(three) == {"organization/a": "freeze: Christmas"}
    three.apply()
    assert slugs(three, "feature_flags <> '{}'") == ["z"]
    rules(three, freeze=frozen(-2 * HOUR, -HOUR))
    three.apply()
    three.converged()


def test_a_saved_plan_is_refused_in_a_freeze_that_began_since(three: Fleet) -> None:
    state(three, "a", "featureFlags: { A: true }")
    rules(three, freeze=frozen(timedelta(seconds=4), HOUR))
    three.run("plan", "--out", "plan.json")
    before = three.rows("SELECT count(*) FROM tenantplan.runs")
    time.sleep(4.5)
    refused = three.run("apply", "plan.json", code=3)
    assert "freeze: Christmas, until" in refused.err and "UTC" in refused.err
    assert three.rows("SELECT count(*) FROM tenantplan.runs") == before
    assert slugs(three, "feature_flags <> '{}'") == []


def clock(monkeypatch: pytest.MonkeyPatch, late: timedelta) -> None:
    """Whoever applies a plan does it so much later."""

    monkeypatch.setattr(Survey, "now", property(lambda live: datetime.now(UTC) + late))


def test_a_saved_plan_is_refused_when_its_window_has_closed(three: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(three, window(OPEN), window(OPEN, "{ tier: enterprise }"))
    for name, body in (("a", "featureFlags: { A: true }"), ("z", "state: suspended")):
        state(three, name, body)
    three.run("plan", "--out", "plan.json")
    clock(monkeypatch, 5 * HOUR)
    refused = three.run("apply", "plan.json", code=3)
    assert "the change window has closed; it opens again" in refused.err and "organization/z" in refused.err
    assert slugs(three, "feature_flags <> '{}'") == []
    clock(monkeypatch, timedelta(hours=23, minutes=30))  # the next day's
    three.run("apply", "plan.json")
    assert slugs(three, "state = 'suspended'") == ["z"]
    three.converged()


def test_a_safe_plan_needs_no_window(three: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(three, window(OPEN))
    state(three, "a", "featureFlags: { A: true }")
    three.run("plan", "--out", "plan.json")
    clock(monkeypatch, 5 * HOUR)
    three.run("apply", "plan.json")
    three.converged()


def test_rules_edited_after_the_plan_was_made_make_it_stale(three: Fleet) -> None:
    """The way around a window is an edit of the fleet file: reviewed, and planned again."""
    state(three, "a", "state: suspended")
    rules(three, window(OPEN))
    three.run("plan", "--out", "plan.json")
    rules(three)
    assert "fleet file" in three.run("apply", "plan.json", code=4).err


def test_a_target_that_needs_what_waits(fleet: Fleet) -> None:
    fleet.document("Tier", "pro", "displayName: Pro")
    fleet.apply()
    fleet.document("Tier", "new", "displayName: New")
    fleet.organization("a", "tier: new", labels={"ring": "early"})
    rules(fleet, freeze=frozen(-HOUR, HOUR, "{ ring: early }"))
    plan = fleet.plan("--target", "organization/a")
    assert plan["operations"] == []
    assert {d["address"]: d["why"] for d in plan["deferred"]} == {
        "tier/new": "freeze: Christmas",
        "organization/a": "waits for tier/new",
    }


@pytest.mark.parametrize(
    "spec",
    [
        "rollout: { windows: [ { schedule: 61 22 * * *, duration: 6h } ] }",
        "rollout: { windows: [ { schedule: 0 22 * * *, duration: 6h, timeZone: Europe/Pariss } ] }",
        "rollout: { windows: [ { schedule: 0 22 * * *, duration: 0h } ] }",
        "rollout: { windows: [ { schedule: 0 22 * * *, duration: 2d } ] }",
        'freeze: { from: "2027-01-02T00:00Z", until: "2026-12-20T00:00Z", reason: x }',
    ],
)
def test_validate_says_where(fleet: Fleet, spec: str) -> None:
    fleet.organization("a")
    fleet.settings(f"{spec}\n")
    assert "tenantplan.yaml:9:" in fleet.run("validate", code=1).err
