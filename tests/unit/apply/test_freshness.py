"""How old a plan file may be, and from when on it waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from unit.rendering.builders import a_plan, an_operation

from tenantplan.apply.freshness import check_time
from tenantplan.errors import Blocked, PlanRefused
from tenantplan.settings.settings import Settings, load

pytestmark = pytest.mark.once
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def fleet(folder: Path, spec: str) -> Settings:
    path = folder / "tenantplan.yaml"
    path.write_text(f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: demo }}\nspec:\n  {spec}\n")
    return load(path)


@pytest.mark.parametrize(
    ("age", "refused"),
    [
        (timedelta(hours=3), False),
        (timedelta(hours=3) + SECOND, True),
        (timedelta(0), False),
        (timedelta(minutes=-5), False),  # clocks differ
        (timedelta(minutes=-5) - SECOND, True),
    ],
)
def test_a_plan_can_be_applied_for_some_hours(tmp_path: Path, age: timedelta, refused: bool) -> None:
    settings = fleet(tmp_path, "guard: { planMaxAgeHours: 3 }")
    plan = a_plan(created_at=(NOW - age).isoformat())
    if refused:
        with pytest.raises(PlanRefused, match="for 3 hours"):
            check_time(settings, plan, NOW)
    else:
        check_time(settings, plan, NOW)


@pytest.mark.parametrize("written", ["", "yesterday", "2026-06-01T12:00:00"])
def test_one_that_does_not_say_when_it_was_made_cannot(tmp_path: Path, written: str) -> None:
    with pytest.raises(PlanRefused, match="does not say when"):
        check_time(fleet(tmp_path, "manifests: [tenants]"), a_plan(created_at=written), NOW)


@pytest.mark.parametrize(
    ("now", "waits"),
    [(NOW - SECOND, False), (NOW, True), (NOW + 2 * SECOND, True), (NOW + 3 * SECOND, False)],
)
def test_a_freeze_holds_from_its_first_second_to_the_last(tmp_path: Path, now: datetime, waits: bool) -> None:
    spec = "freeze: { from: 2026-06-01T12:00:00Z, until: 2026-06-01T12:00:03Z, reason: Inventory }"
    plan = a_plan(an_operation("organization/a"), created_at=NOW.isoformat())
    if waits:
        with pytest.raises(Blocked, match="Inventory, until"):
            check_time(fleet(tmp_path, spec), plan, now)
    else:
        check_time(fleet(tmp_path, spec), plan, now)
