"""Times that ISO 8601 cannot say: both infinities, and years that no calendar of ours has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.harness import Fleet
from servers import TestServer

LICENSED = "organization: msf\ndisplayName: Paris\nlicenses: [ { name: main, expiresAt: 2031-01-31 }, { name: trial } ]"
SHOP = "organization: msf\ndisplayName: Shop"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[Fleet]:
    """A fleet with licences and a project."""
    fleet = Fleet(tmp_path_factory.mktemp("odd") / "fleet", server)
    fleet.organization("msf")
    fleet.document("Tenant", "paris", LICENSED)
    fleet.document("Project", "shop", SHOP)
    fleet.apply()
    yield fleet
    fleet.clean()


@pytest.mark.parametrize("end", ["-infinity", "0044-03-15 BC"])
def test_a_licence_that_never_began_is_no_licence_without_end(odd: Fleet, end: str) -> None:
    odd.execute("UPDATE licenses SET expires_at = %s", end)
    plan = odd.plan()
    assert [(o["address"], o["class"]) for o in plan["operations"]] == [("tenant/paris/license/main", "risky")]
    shown = plan["operations"][0]["before"]["values"]["expires_at"]
    assert shown is not None and (shown.endswith("BC") or shown == end)
    assert [n["rule"] for n in plan["notes"] if n["address"] == "tenant/paris/license/main"] == ["re-enables"]
    odd.apply()
    assert odd.rows("SELECT name, expires_at::text FROM licenses ORDER BY 1")[0][1].startswith("2031-01-31")
    odd.converged()


@pytest.mark.parametrize("end", ["infinity", "20260-03-15", "9999-12-31"])
def test_a_licence_that_ends_later_than_declared_is_shortened(odd: Fleet, end: str) -> None:
    odd.execute("UPDATE licenses SET expires_at = %s WHERE name = 'main'", end)
    assert [o["class"] for o in odd.plan()["operations"]] == ["safe"]
    odd.apply()
    odd.converged()


@pytest.mark.parametrize("when", ["-infinity", "infinity", "0044-03-15 BC", "20260-03-15", "9999-12-31"])
@pytest.mark.parametrize("state", ["", "\nstate: deleted\nprotect: false"])
def test_a_deletion_on_no_day_is_a_deletion(odd: Fleet, when: str, state: str) -> None:
    odd.execute("UPDATE projects SET deleted_at = %s, status = 'DELETED'", when)
    odd.document("Project", "shop", SHOP + state)
    plan = odd.plan()
    assert plan["operations"] == []  # neither alive nor due to be purged
    found = {n["rule"] for n in plan["notes"] if n["address"] == "project/shop"}
    assert state or found == {"deleted-by-the-application"}
    for command in ("status", "drift", "doctor"):
        assert odd.run(command, code=None).code in (0, 1, 2)
    odd.execute("UPDATE projects SET deleted_at = NULL, status = 'STOPPED'")
    odd.document("Project", "shop", SHOP)
    odd.converged()
