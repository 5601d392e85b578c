"""`seed --demo`: rows that look alive in a development fleet, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

TABLES = ("tenant_metrics", "error_logs", "deployments", "uploads", "files")
DEVELOPMENT = "development: true"


@pytest.fixture
def stocked(fleet: Fleet) -> Fleet:
    """A development fleet with three tenants and two projects, and one row of the application in each runtime table."""
    fleet.settings(DEVELOPMENT)
    fleet.organization("acme")
    for name in ("a", "b", "c"):
        fleet.document("Tenant", name, "{ organization: acme, displayName: T }")
    fleet.apply()
    fleet.execute(
        "WITH p AS (INSERT INTO projects (organization_id, slug)"
        " SELECT id, s FROM organizations, unnest(ARRAY['shop', 'blog']) s RETURNING id, slug),"
        " one AS (SELECT id FROM p WHERE slug = 'shop'),"
        " d AS (INSERT INTO deployments (project_id, log) SELECT id, 'mine' FROM one),"
        " u AS (INSERT INTO uploads (project_id, filename) SELECT id, 'demo/mine' FROM one)"
        " INSERT INTO files (project_id, path, size, metadata) SELECT id, 'mine', 1, '{\"demo\": true}' FROM one"
    )
    fleet.execute(
        "WITH t AS (SELECT id FROM tenants WHERE name = 'a'),"
        " m AS (INSERT INTO tenant_metrics (tenant_id, timestamp, version) SELECT id, now() - interval '9 days', 'mine' FROM t)"
        " INSERT INTO error_logs (level, source, message) VALUES ('CRITICAL', 'SYSTEM', 'mine')"
    )
    return fleet


def mine(fleet: Fleet) -> list[Any]:
    columns = {"tenant_metrics": "version", "error_logs": "message", "deployments": "log"}
    columns |= {"uploads": "filename", "files": "path"}
    return [fleet.rows(f"SELECT to_jsonb(x) FROM {t} x WHERE {c} LIKE '%%mine'") for t, c in columns.items()]


def sizes(fleet: Fleet) -> dict[str, int]:
    return {table: fleet.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def test_rows_for_every_tenant_and_project(stocked: Fleet) -> None:
    kept = mine(stocked)
    out = stocked.run("seed", "--demo").out
    found = sizes(stocked)
    assert all(f"{found[table] - 1:,} {table}" in out for table in TABLES)
    assert found["tenant_metrics"] > 250
    assert stocked.rows("SELECT count(DISTINCT project_id) FROM deployments") == [(2,)]
    assert stocked.rows("SELECT count(DISTINCT project_id) FROM files WHERE upload_id IS NOT NULL") == [(2,)]
    for table, column in (("tenant_metrics", "additional_data"), ("error_logs", "metadata"), ("files", "metadata")):
        marked = stocked.rows(f"SELECT count(*) FROM {table} WHERE {column} @> '{{\"demo\": true}}'")[0][0]
        assert marked == found[table] - (0 if table == "files" else 1)
    assert stocked.rows("SELECT count(*) FROM tenant_metrics WHERE timestamp > now()") == [(0,)]
    assert mine(stocked) == kept
    # What the reports say of it: everybody but the silent one, and an open critical error.
    assert [r["tenant"] for r in stocked.run("report", "metrics-24h", "--json").json] == ["a", "b", "c"]
    assert [r["tenant"] for r in stocked.run("report", "inactive-tenants", "--json").json] == ["b"]
    assert {r["tenant"] for r in stocked.run("report", "critical-errors", "--json").json} == {"a", None}
    stocked.converged()


def test_again_replaces_and_remove_takes_away(stocked: Fleet) -> None:
    kept, before = mine(stocked), sizes(stocked)
    shape = "SELECT id, ai_latency, version, active_users IS NULL FROM tenant_metrics ORDER BY id"
    errors = "SELECT id, level, message, resolved FROM error_logs ORDER BY id"
    stocked.run("seed", "--demo", "--seed", "7")
    first, logged, filled = stocked.rows(shape), stocked.rows(errors), sizes(stocked)
    stocked.run("seed", "--demo", "--seed", "7")
    assert (stocked.rows(shape), stocked.rows(errors), sizes(stocked)) == (first, logged, filled)
    stocked.run("seed", "--demo", "--seed", "8")
    assert stocked.rows(shape) != first
    stocked.run("seed", "--demo", "--tenants", "1")
    assert stocked.rows("SELECT count(DISTINCT tenant_id) FROM tenant_metrics") == [(1,)]
    stocked.run("seed", "--demo", "--remove")
    assert sizes(stocked) == before == dict.fromkeys(TABLES, 1)
    assert mine(stocked) == kept
    assert "Removed: 0 tenant_metrics" in stocked.run("seed", "--demo", "--remove").out


DONORS = ("donors", "donor_preferences", "campaigns", "donations", "forms", "analytics_events")


def test_donors_of_every_organization_and_of_nobody_else(stocked: Fleet) -> None:
    """In its own database or in its part of the shared tables, and never in one that it brought or with other tables."""
    for name in ("msf", "other"):
        stocked.organization(name, "database: { mode: dedicated }")
    stocked.organization("closed", "state: suspended")
    stocked.apply()
    own = stocked.database("msf")
    stocked.execute("INSERT INTO donors (email, last_name) VALUES ('mine@x.example', 'Mine')", database=own)
    stocked.execute("ALTER TABLE forms RENAME TO papers", database=stocked.database("other"))

    def counted(table: str, database: str | None = None) -> int:
        return int(stocked.rows(f"SELECT count(*) FROM {table}", database=database)[0][0])

    for number in ("0", "0", "7"):
        shown = stocked.run("seed", "--demo", "--seed", number)
        assert "organization/other has no demo donors: its tables are not" in shown.err
        assert counted("donors") == 8
        assert counted("donors", own) == 9
        for table in DONORS:
            made = counted(table) + counted(table, own) - (table == "donors")
            assert f"{made} {table}" in shown.out
            assert made > 0
    whose = "SELECT DISTINCT o.slug FROM donations d JOIN organizations o ON o.id = d.organization_id"
    assert stocked.rows(whose) == [("acme",)]
    assert counted("donors", stocked.database("other")) == 0
    stocked.run("seed", "--demo", "--remove")
    assert [counted(table) for table in DONORS] == [0] * len(DONORS)
    assert stocked.rows("SELECT last_name FROM donors", database=own) == [("Mine",)]


def test_any_other_fleet_is_refused(stocked: Fleet) -> None:
    stocked.run("seed", "--demo")
    before = sizes(stocked)
    stocked.settings("development: false")
    for arguments in ([], ["--remove"]):
        err = stocked.run("seed", "--demo", *arguments, code=3).err
        assert "development: true" in err
    assert sizes(stocked) == before


def test_usage(fleet: Fleet) -> None:
    err = fleet.run("seed", code=1).err
    assert "--demo" in err
    assert "fills metrics" in err
    fleet.run("seed", "--demo", code=3)
    fleet.settings(DEVELOPMENT)
    assert "nothing has been applied yet" in fleet.run("seed", "--demo", code=1).err
    fleet.document("Tier", "basic", "displayName: Basic")
    fleet.apply()
    assert "no tenants and no projects" in fleet.run("seed", "--demo", code=1).err
    fleet.run("seed", "--demo", "--remove", "--tenants", "1", code=1)


def test_ids_are_known_and_nobody_elses() -> None:
    from uuid import uuid4

    from tenantplan.commands.demo.rows import FIRST, LAST, demo_id

    made = [demo_id("x", number) for number in range(1000)]
    assert len(set(made)) == 1000
    assert all(FIRST <= one <= LAST and one.version == 8 for one in made)
    assert not any(FIRST <= uuid4() <= LAST for _ in range(1000))
    assert demo_id("x", 1) == made[1]
