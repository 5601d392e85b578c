"""Several fleets whose first apply is on the same new server, at the same time: none fails for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.harness import Fleet
from conftest import FreshServer

FLEETS = 4
ROUNDS = 2
DEDICATED = "database: { mode: dedicated }"


@pytest.mark.parametrize("west", [False] * ROUNDS + [True])
def test_first_applies_wait_for_each_other(tmp_path: Path, fresh_server: FreshServer, west: bool) -> None:
    """Groups and databases are missing for all of them: each makes them, or takes what another has made meanwhile."""
    server = fresh_server()
    other = fresh_server() if west else None
    fleets = [Fleet(tmp_path / f"fleet{number}", server) for number in range(FLEETS)]
    for fleet in fleets:
        fleet.organization("acme", DEDICATED)
        fleet.organization("beta", DEDICATED)
        fleet.organization("care")
        if other:
            fleet.settings("servers: { west: { url: { env: WEST_URL } } }")
            fleet.env["WEST_URL"] = other.url()
            fleet.organization("dora", "database: { mode: dedicated, server: west }")
    started = [fleet.start("apply", "--auto-approve") for fleet in fleets]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [code for _, code in ended] == [0] * FLEETS, [said for said, code in ended if code]
    for fleet in fleets:
        fleet.converged()


@pytest.fixture
def two(tmp_path: Path, fresh_server: FreshServer) -> tuple[Fleet, Fleet]:
    """Two fleets of a new server, with an organization each."""
    server = fresh_server()
    first, second = Fleet(tmp_path / "first", server), Fleet(tmp_path / "second", server)
    for fleet in (first, second):
        fleet.organization("acme", DEDICATED)
    return first, second


def test_a_first_plan_is_not_stale_for_the_groups_of_another_fleet(two: tuple[Fleet, Fleet]) -> None:
    first, second = two
    first.run("plan", "--out", "plan.json", code=None)
    second.apply()
    first.run("apply", "plan.json", "--auto-approve")
    first.converged()
    second.converged()


def test_a_role_of_that_name_which_is_no_group_of_tenantplan_stays_a_reason(two: tuple[Fleet, Fleet]) -> None:
    first, _ = two
    first.run("plan", "--out", "plan.json", code=None)
    first.execute("CREATE ROLE tenantplan_rw", database="postgres")
    result = first.run("apply", "plan.json", "--auto-approve", code=None)
    assert result.code == 4
    assert "role/primary/tenantplan_rw" in result.err


def test_a_group_that_another_administrator_made(two: tuple[Fleet, Fleet], pg_version: int) -> None:
    """From PostgreSQL 16 on only who made a group may grant it: the error holds what a superuser has to run."""
    first, second = two
    first.execute("CREATE ROLE other_admin LOGIN CREATEDB CREATEROLE PASSWORD 'Vf4-quite-long'", database="postgres")
    second.env["TENANTPLAN_MAIN_URL"] = second.server.url("other_admin", password="Vf4-quite-long")
    first.apply()
    if pg_version >= 16:
        out = second.apply(code=5).out
        assert "the role other_admin may not grant" in out
        grant = 'GRANT "tenantplan_rw" TO "other_admin" WITH ADMIN OPTION'
        assert grant in out
        second.execute(grant, database="postgres")
    second.apply()
    second.converged()
    first.converged()
