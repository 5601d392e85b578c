"""A saved plan whose apply was killed after the commit on another server goes on where it stopped."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from conftest import FreshServer

pytestmark = pytest.mark.once


def test_a_rename_on_another_server(fleet: Fleet, fresh_server: FreshServer) -> None:
    west = fresh_server()
    fleet.settings("servers: { west: { url: { env: WEST_URL } } }\nguard: { maxChangedPercent: 100 }")
    fleet.env["WEST_URL"] = west.url()
    body = "database: { mode: dedicated, server: west }"
    fleet.organization("a", body)
    fleet.apply()
    fleet.remove("Organization", "a")
    fleet.organization("c", body, renamedFrom="a")
    fleet.run("plan", "--out", "plan.json")
    assert fleet.process("apply", "plan.json", env={"TENANTPLAN_FAILPOINT": "remote-committed"}).code < 0
    fleet.run("apply", "plan.json")
    fleet.converged()
