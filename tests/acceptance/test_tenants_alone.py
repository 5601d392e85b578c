"""Tenants without an organization: customers with a licence, and a database of their own or none."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from acceptance.test_projects import refused

LICENSED = "displayName: Node\nprotect: false\nlicenses: [ { name: main, expiresAt: 2099-01-31 } ]\n"


def test_a_tenant_alone_has_its_row_and_its_licences(fleet: Fleet) -> None:
    fleet.document("Tenant", "node", LICENSED)
    fleet.apply()
    fleet.converged()
    found = "SELECT t.name, t.organization_id, database_mode::text, l.name FROM tenants t JOIN licenses l ON l.tenant_id = t.id"
    assert fleet.rows(found) == [("node", None, None, "main")]
    assert "No drift" in fleet.run("drift").out
    home = fleet.run("status", "tenant/node", "--json", "--max-skew", "0").json
    assert (home["mode"], home["database"], home["url"], home["reachable"]) == ("none", "", "", None)
    assert "tenant/node" in fleet.run("status").out
    shown = fleet.run("db", "show", "tenant/node", "--json").json
    assert (shown["mode"], shown["url"], shown["hasDedicatedDatabase"]) == ("none", "", False)
    assert "no database" in fleet.run("db", "test", "tenant/node", code=1).out
    assert [row["tenant"] for row in fleet.run("report", "active-tenants", "--json").json] == ["node"]
    assert {row["tenant"] for row in fleet.run("report", "inactive-tenants", "--json").json} == {"node"}
    assert sum(row["licenses"] for row in fleet.run("report", "licenses-by-status", "--json").json) == 1
    assert fleet.run("maintain").code == 0

    fleet.document("Tenant", "node", LICENSED + "database: { mode: dedicated }\n")
    fleet.apply()
    fleet.converged()
    assert fleet.run("status", "tenant/node", "--json").json["database"] == fleet.database("node")
    fleet.remove("Tenant", "node")
    fleet.document("Tenant", "clinic", LICENSED + "database: { mode: dedicated }\n", renamedFrom="node")
    fleet.apply()
    fleet.converged()
    fleet.document("Tenant", "clinic", LICENSED + "state: deleted\ndatabase: { mode: dedicated }\n")
    fleet.apply("--allow-deletes", "1")
    fleet.settings("guard: { graceDays: 0 }")
    fleet.apply("--allow-deletes", str(fleet.plan()["summary"]["delete"]))
    assert fleet.rows("SELECT count(*) FROM tenants") == [(0,)]
    fleet.converged()


@pytest.mark.once
@pytest.mark.parametrize("mode", ["inherit", "shared"])
def test_without_an_organization_it_inherits_and_shares_nothing(fleet: Fleet, mode: str) -> None:
    fleet.document("Tenant", "node", f"displayName: Node\ndatabase: {{ mode: {mode} }}\n")
    message = refused(fleet)
    assert f"mode: {mode}" in message and "organization" in message and "dedicated" in message
    fleet.organization("acme")
    fleet.document("Tenant", "node", "displayName: Node\norganization: acme\ndatabase: { mode: none }\n")
    assert "`mode: none` is for a tenant without `organization`" in refused(fleet)


@pytest.mark.once
def test_it_joins_an_organization_and_leaves_it(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.document("Tenant", "node", LICENSED)
    fleet.apply()
    fleet.document("Tenant", "node", LICENSED + "organization: acme\n")
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT database_mode::text FROM tenants WHERE organization_id IS NOT NULL") == [("inherit",)]
    fleet.document("Tenant", "node", LICENSED)
    fleet.apply()
    fleet.converged()
    assert fleet.rows("SELECT organization_id, database_mode FROM tenants") == [(None, None)]
