"""P10's beginning: the canary first, then batches; a failure in a wave keeps the next one from starting."""

from __future__ import annotations

from acceptance.harness import Fleet


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
            fleet.organization(name, f"state: {state}", **labels)  # type: ignore[arg-type]
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
        fleet.organization(name, **labels)  # type: ignore[arg-type]
    fleet.apply()
    fleet.execute("ALTER TABLE organizations ADD CONSTRAINT no_z CHECK (slug <> 'z' OR state <> 'suspended')")
    for name in ("a", "b", "z"):
        labels = {"labels": {"ring": "early"}} if name == "z" else {}
        fleet.organization(name, "state: suspended", **labels)  # type: ignore[arg-type]
    result = fleet.apply(code=5)
    assert "no_z" in result.out
    assert fleet.rows("SELECT slug, state::text FROM organizations ORDER BY 1") == [
        ("a", "active"),
        ("b", "active"),
        ("z", "active"),
    ]
