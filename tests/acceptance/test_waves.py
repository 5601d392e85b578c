"""The canary first, then batches; a failure in a wave keeps the next one from starting."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

pytestmark = pytest.mark.once


def _audited(fleet: Fleet) -> list[str]:
    rows = fleet.rows(
        "SELECT address FROM tenantplan.audit_log WHERE address ~ '^organization/[^/]+$' AND action = 'update' ORDER BY sequence"
    )
    return [row[0].split("/")[1] for row in rows]


def test_the_canary_goes_first_and_batches_follow(fleet: Fleet) -> None:
    fleet.settings(
        "guard: { maxChangedPercent: 100 }\nrollout: { canary: { ring: early }, batch: 2, parallelism: 8 }\n"
    )
    names = ["a", "b", "c", "d", "z"]
    for state in ("active", "suspended"):
        for name in names:
            labels = {"labels": {"ring": "early"}} if name == "z" else {}
            fleet.organization(name, f"state: {state}", **labels)
        plan = fleet.plan()
        fleet.apply()
    waves = {o["address"]: o["wave"] for o in plan["operations"]}
    assert waves == {
        "organization/z": 1,
        "organization/a": 2,
        "organization/b": 2,
        "organization/c": 3,
        "organization/d": 3,
    }
    order = _audited(fleet)
    assert order[0] == "z"
    assert set(order[1:3]) == {"a", "b"}
    assert set(order[3:]) == {"c", "d"}


def test_a_failed_canary_stops_the_rollout(fleet: Fleet) -> None:
    fleet.settings("guard: { maxChangedPercent: 100 }\nrollout: { canary: { ring: early }, batch: 2 }\n")
    for name in ("a", "b", "z"):
        labels = {"labels": {"ring": "early"}} if name == "z" else {}
        fleet.organization(name, **labels)
    fleet.apply()
    fleet.execute("ALTER TABLE organizations ADD CONSTRAINT no_z CHECK (slug <> 'z' OR state <> 'suspended')")
    for name in ("a", "b", "z"):
        labels = {"labels": {"ring": "early"}} if name == "z" else {}
        fleet.organization(name, "state: suspended", **labels)
    result = fleet.apply(code=5)
    assert "no_z" in result.out
    assert fleet.rows("SELECT slug, state::text FROM organizations ORDER BY 1") == [
        ("a", "active"),
        ("b", "active"),
        ("z", "active"),
    ]


@pytest.mark.parametrize("parallelism", ["1", "2"])
def test_tracks_that_share_a_transaction_run_beside_one_that_cannot(fleet: Fleet, parallelism: str) -> None:
    """Tracks are gathered to share a transaction while a migration takes the last room: none is forgotten."""
    tree = tenant_tree(fleet)
    fleet.settings("guard: { maxChangedPercent: 100 }", migrations="migrations/tenant")
    names = ["a", "b", "c", "d", "e", "f", "g", "h"]
    for name in names:
        fleet.organization(name, "database: { mode: dedicated }" if name in "bd" else "")
    fleet.apply()
    tree.add("a0000001", 'op.execute("ALTER TABLE donors ADD COLUMN nickname text")')
    for name in sorted({*names} - {"b", "d"}):
        fleet.organization(name, "featureFlags: { A: true }")
    fleet.apply("--parallelism", parallelism)
    fleet.converged()
