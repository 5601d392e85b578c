"""What would lose, mix or misroute an organization's data stands as a blocker in the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.harness import Fleet
from servers import TestServer

pytestmark = pytest.mark.once


def _rules(fleet: Fleet) -> set[tuple[str, str]]:
    return {(b["address"], b["rule"]) for b in fleet.plan()["blockers"]}


def test_nobody_takes_the_database_of_another(fleet: Fleet) -> None:
    fleet.organization("globex", "database: { mode: dedicated }")
    fleet.apply()
    fleet.remove("Organization", "globex")
    name = fleet.database("globex")
    fleet.organization("stealer", f"database: {{ mode: dedicated, name: {name} }}")
    assert (f"database/primary/{name}", "taken") in _rules(fleet)
    fleet.apply(code=3)
    assert fleet.rows("SELECT slug FROM organizations") == [("globex",)]


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(fleet: Fleet) -> None:
    fleet.organization("globex", "database: { mode: dedicated }")
    fleet.apply()
    name = fleet.database("globex")
    fleet.execute(f"ALTER DATABASE {name} RENAME TO {name}_by_hand", database="postgres")
    assert (f"database/primary/{name}", "lost") in _rules(fleet)
    fleet.apply(code=3)
    fleet.execute(f"ALTER DATABASE {name}_by_hand RENAME TO {name}", database="postgres")
    fleet.converged()


def test_a_tenant_does_not_leave_its_rows_with_another_organization(fleet: Fleet) -> None:
    for name in ("a", "b"):
        fleet.organization(name, "database: { mode: dedicated }")
    fleet.document("Tenant", "t", "{ organization: a, displayName: T }")
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('x@x.example')", database=fleet.database("a"))
    fleet.document("Tenant", "t", "{ organization: b, displayName: T }")
    assert ("tenant/t", "occupied") in _rules(fleet)
    fleet.apply(code=3)
    fleet.execute("DELETE FROM donors", database=fleet.database("a"))
    fleet.apply()
    fleet.converged()


def test_an_organization_is_not_deleted_over_its_tenants(fleet: Fleet) -> None:
    fleet.organization("a", "protect: false")
    fleet.document("Tenant", "t", "{ organization: a, displayName: T }")
    fleet.apply()
    fleet.remove("Tenant", "t")
    fleet.organization(
        "a", "{ protect: false, state: deleted }".replace("{ ", "").replace(" }", "").replace(", ", "\n")
    )
    assert ("organization/a", "dependents") in _rules(fleet)
    fleet.apply("--allow-deletes", "1", code=3)
    assert fleet.rows("SELECT state::text FROM organizations") == [("active",)]


def test_what_goes_along_with_a_deleted_user_is_planned_and_audited(fleet: Fleet) -> None:
    fleet.document("User", "u@x.example", "{ displayName: U, role: CLIENT_EDITOR }")
    fleet.organization("a", "members: [ { user: u@x.example, role: CLIENT_EDITOR } ]")
    fleet.apply()
    fleet.organization("a")
    fleet.document("User", "u@x.example", "{ displayName: U, role: CLIENT_EDITOR, state: deleted }")
    plan = fleet.plan()
    assert [o["address"] for o in plan["operations"]] == ["organization/a/member/u@x.example", "user/u@x.example"]
    assert plan["summary"]["delete"] == 1
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    fleet.run("drift")


def test_two_fleets_of_one_name_do_not_own_each_others_databases(
    fleet: Fleet, tmp_path: Path, fresh_server: type[TestServer]
) -> None:
    customers = fleet.server.url()
    other = Fleet(tmp_path / "staging", fresh_server(), id=fleet.id)
    for each in (fleet, other):
        each.env["CUSTOMERS_URL"] = customers
    fleet.organization("globex", "database: { mode: dedicated }")
    fleet.apply()
    other.settings("servers: { orgs: { url: { env: CUSTOMERS_URL } } }\n")
    other.organization("globex", "database: { mode: dedicated, server: orgs }")
    assert (f"database/orgs/{fleet.database('globex')}", "unmanaged") in _rules(other)
    other.apply(code=3)


def test_a_brought_database_belongs_to_one(fleet: Fleet) -> None:
    fleet.organization("globex", "database: { mode: dedicated }")
    fleet.apply()
    fleet.env["BROUGHT"] = fleet.server.url(dbname=fleet.database("globex"))
    fleet.organization("own", "database: { url: { env: BROUGHT } }")
    plan = fleet.plan()
    assert plan["operations"] == []
    assert "belongs to" in next(b["message"] for b in plan["blockers"] if b["address"] == "organization/own")


def test_what_is_out_of_reach_is_named_and_no_success(fleet: Fleet) -> None:
    fleet.env["FAR"] = "postgresql://a:long-enough-secret@127.0.0.1:1/postgres"
    fleet.settings("servers: { far: { url: { env: FAR } } }\n")
    fleet.organization("near")
    fleet.apply(code=5)
    fleet.organization("away", "database: { mode: dedicated, server: far }")
    result = fleet.run("plan", "--detailed-exitcode", code=2)
    assert "organization/away" in result.out
    assert "matches the YAML" not in result.out
