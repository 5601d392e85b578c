"""A restore gives no access back: what was closed when it was deleted comes back closed, unless the document says otherwise."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

ROOMY = "guard: { maxChangedPercent: 100, organization: { maxChangedPercent: 100 } }"
LONE = "displayName: Rome\nprotect: false\ndatabase: { mode: dedicated }"
SHARED = "organization: msf\ndisplayName: Paris\nprotect: false"


def notes(fleet: Fleet, rule: str) -> dict[str, str]:
    return {n["address"]: n["message"] for n in fleet.plan()["notes"] if n["rule"] == rule}


def classes(fleet: Fleet) -> dict[str, str]:
    return {
        o["address"]: o["class"] for o in fleet.plan()["operations"] if o["before"] and o["before"]["type"] == "row"
    }


def a_closed_studio(fleet: Fleet) -> None:
    """An organization, tenants and a release that the application has closed, and then the documents deleted."""
    fleet.settings(ROOMY)
    fleet.write("node.zip", "node")
    fleet.organization("msf", "protect: false")
    fleet.document("Tenant", "paris", SHARED)
    fleet.document("Tenant", "rome", LONE)
    fleet.document("Release", "node", "{ version: '1', file: node.zip }")
    fleet.apply()
    fleet.execute("UPDATE organizations SET state = 'suspended', updated_at = now()")
    fleet.execute("UPDATE tenants SET active = false, updated_at = now()")
    fleet.execute("UPDATE updates_metadata SET active = false")
    fleet.organization("msf", "protect: false\nstate: deleted")
    fleet.document("Tenant", "paris", SHARED + "\nstate: deleted")
    fleet.document("Tenant", "rome", LONE + "\nstate: deleted")
    fleet.document("Release", "node", "{ version: '1', file: node.zip, state: deleted }")
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))


def restored(fleet: Fleet, extra: str = "", state: str = "", release: str = "") -> None:
    ids = dict(fleet.rows("SELECT slug, id::text FROM organizations UNION ALL SELECT name, id::text FROM tenants"))
    fleet.organization("msf", f"protect: false{state}", restore=ids["msf"])
    fleet.document("Tenant", "paris", SHARED + extra, restore=ids["paris"])
    fleet.document("Tenant", "rome", LONE + extra, restore=ids["rome"])
    fleet.document("Release", "node", f"{{ version: '1', file: node.zip{release} }}")


def access(fleet: Fleet) -> list[tuple[str, str, bool]]:
    return fleet.rows(
        "SELECT slug, state::text, deleted_at IS NULL FROM organizations"
        " UNION ALL SELECT name, active::text, deleted_at IS NULL FROM tenants"
        " UNION ALL SELECT declared_as, active::text, deleted_at IS NULL FROM updates_metadata ORDER BY 1"
    )


def test_what_was_closed_when_it_was_deleted_comes_back_closed(fleet: Fleet) -> None:
    a_closed_studio(fleet)
    restored(fleet)
    assert classes(fleet) == dict.fromkeys(["organization/msf", "tenant/paris", "tenant/rome", "release/node"], "risky")
    assert notes(fleet, "stays-disabled") == {
        address: f"is restored as it was when it was deleted: {value}."
        " Only an explicit value in the document gives access back"
        for address, value in {
            "organization/msf": "state suspended",
            "tenant/paris": "active false",
            "tenant/rome": "active false",
            "release/node": "active false",
        }.items()
    }
    fleet.apply()
    closed = [("msf", "suspended", True), ("node", "false", True), ("paris", "false", True), ("rome", "false", True)]
    assert access(fleet) == closed
    fleet.converged()
    assert access(fleet) == closed


def test_the_value_in_the_document_opens_it_and_the_plan_says_so(fleet: Fleet) -> None:
    a_closed_studio(fleet)
    restored(fleet, "\nactive: true", "\nstate: active", ", active: true")
    found = notes(fleet, "re-enables")
    assert found["tenant/paris"] == "re-enables what was disabled before it was deleted: active false -> true"
    assert found["organization/msf"].endswith("state suspended -> active")
    assert {*classes(fleet).values()} == {"risky"}
    assert notes(fleet, "stays-disabled") == {}
    fleet.apply()
    opened = [("msf", "active", True), ("node", "true", True), ("paris", "true", True), ("rome", "true", True)]
    assert access(fleet) == opened
    fleet.converged()
