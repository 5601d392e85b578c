"""Secrets that are due to be rotated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.planning.builders import NOW, an_organization, live

from tenantplan.model.resource import Ref, Row, Secret, State
from tenantplan.planning.logins import notes

JWT = "organization/msf/secret/jwt"


def a_secret(value: str = "v1", *, days: int = 90, rotated: float | None = None) -> State:
    """The secret jwt of organization/msf, last rotated so many days before NOW."""
    values = {
        "organization_id": Ref("organization/msf"),
        "name": "jwt",
        "value": Secret("env:JWT", value),
        "rotate_every_days": days,
    }
    stamp = None if rotated is None else (NOW - timedelta(days=rotated)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {JWT: Row("organization_secrets", values, observed={"rotated_at": stamp} if stamp else {})}


@pytest.mark.parametrize(
    ("rotated", "days", "due"), [(89.9, 90, False), (90, 90, True), (400, 90, True), (8, 7, True), (0, 1, False)]
)
def test_when_it_is_due(rotated: float, days: int, due: bool) -> None:
    found = notes(a_secret(days=days), a_secret(days=days, rotated=rotated), NOW)
    assert [(f.address, f.rule) for f in found] == ([(JWT, "rotation-due")] if due else [])


def test_what_a_reviewer_reads() -> None:
    (found,) = notes(a_secret(), a_secret(rotated=100), NOW)
    assert found.message == "due to be rotated since 2026-05-22 (every 90 days): give env:JWT a new value and apply"


def test_the_period_is_the_declared_one() -> None:
    assert notes(a_secret(days=365), a_secret(days=7, rotated=100), NOW) == ()
    assert len(notes(a_secret(days=7), a_secret(days=365, rotated=100), NOW)) == 1


def test_a_plan_that_rotates_it_says_nothing() -> None:
    assert notes(a_secret("v2"), a_secret(rotated=100), NOW) == ()


def test_nothing_else_is_due() -> None:
    """Neither what is new, nor what nobody declares, nor rows that have no such time."""
    assert notes(a_secret(), {}, NOW) == ()
    assert notes({}, a_secret(rotated=100), NOW) == ()
    assert notes(a_secret(), a_secret(), NOW) == ()
    assert notes(live(an_organization()), live(an_organization()), NOW) == ()
