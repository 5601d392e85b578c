"""`status`: where everybody lives, whether it can be reached, and what a missing name gets."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once


def _fleet(fleet: Fleet) -> None:
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("acme")
    fleet.document("Tenant", "paris", "{ organization: msf, displayName: Paris }")


def test_before_the_first_apply_it_says_what_to_do(fleet: Fleet) -> None:
    fleet.organization("acme")
    assert "Nothing has been applied yet" in fleet.run("status").out
    assert fleet.run("status", "--json").json["applied"] is False
    assert "nothing has been applied yet" in fleet.run("status", "acme", code=1).err


def test_every_organization_and_tenant_with_place_and_revision(fleet: Fleet) -> None:
    _fleet(fleet)
    fleet.apply()
    document = fleet.run("status", "--json").json
    acme, msf = document["organizations"]
    head = document["heads"]["tenant"]
    assert (acme["name"], acme["mode"], acme["hasDedicatedDatabase"]) == ("acme", "shared", False)
    assert (msf["database"], msf["hasDedicatedDatabase"]) == (fleet.database("msf"), True)
    assert acme["revision"] == msf["revision"] == head
    assert acme["behind"] == msf["behind"] == 0
    assert acme["reachable"] is msf["reachable"] is True
    assert document["tenants"][0]["database"] == fleet.database("msf")
    assert document["lastRun"]["status"] == "done"
    assert document["unfinishedRun"] is document["lock"] is None
    text = fleet.run("status").out
    assert fleet.database("msf") in text
    assert "Last run" in text


def test_one_organization_and_no_password(fleet: Fleet) -> None:
    _fleet(fleet)
    fleet.apply()
    shown = fleet.run("status", "msf", "--json")
    assert shown.json["id"] == str(fleet.rows("SELECT id FROM organizations WHERE slug = 'msf'")[0][0])
    assert shown.json["hasDedicatedDatabase"] is True
    assert shown.json["url"].endswith(f"/{fleet.database('msf')}")
    assert ":***@" in shown.json["url"]
    text = fleet.run("status", "msf").out
    assert "hasDedicatedDatabase  yes" in text
    for output in (shown.out, text, fleet.run("status").out):
        assert fleet.server.params()["password"] not in output
    assert fleet.run("status", "tenant/paris", "--json").json["name"] == "paris"


def test_an_unknown_organization_gets_the_nearest_name(fleet: Fleet) -> None:
    _fleet(fleet)
    fleet.apply()
    err = fleet.run("status", "mfs", code=1).err
    assert "Organization not found: mfs" in err
    assert "did you mean `msf`?" in err


def test_a_database_that_refuses_connections_and_one_behind_are_named(fleet: Fleet) -> None:
    _fleet(fleet)
    fleet.organization("late", "database: { mode: dedicated }")
    fleet.apply()
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"ALTER DATABASE {fleet.database('msf')} ALLOW_CONNECTIONS false".encode())
    fleet.execute("UPDATE alembic_version SET version_num = '3f2a7c10'", database=fleet.database("late"))
    found = {o["name"]: o for o in fleet.run("status", "--json").json["organizations"]}
    assert found["msf"]["reachable"] is False
    assert "not currently accepting connections" in found["msf"]["reason"]
    assert found["late"]["behind"] == 3
    assert found["acme"]["reachable"] is True
    fleet.execute("UPDATE alembic_version SET version_num = 'feedbeef'", database=fleet.database("late"))
    late = fleet.run("status", "late", "--json").json
    assert late["behind"] is None
    assert "feedbeef" in late["reason"]


def test_the_gate_names_what_is_further_behind_than_allowed(fleet: Fleet) -> None:
    """What cannot be asked does not pass either; a deleted organization is nobody's concern."""
    _fleet(fleet)
    for name in ("late", "gone"):
        fleet.organization(name, "database: { mode: dedicated }\nprotect: false")
    fleet.apply()
    assert fleet.run("status", "--max-skew", "0").err == ""
    fleet.execute("UPDATE alembic_version SET version_num = '3f2a7c10'", database=fleet.database("late"))
    assert "Databases by revision: 9c1b04aa: 3, 3f2a7c10: 1." in fleet.run("status").out
    assert fleet.run("status", "--max-skew", "3").err == ""
    late = fleet.run("status", "--max-skew", "2", code=3).err
    assert late == "organization/late: 3 revisions behind; --max-skew allows 2\n"
    annotated = fleet.run("status", "--max-skew", "2", "--format", "github", code=3).out.splitlines()
    assert [line for line in annotated if line.startswith("::error")] == [
        "::error title=organization/late::3 revisions behind; --max-skew allows 2"
    ]
    assert "::error" not in fleet.run("status", "--max-skew", "3", "--format", "github").out
    fleet.run("status", "late", "--max-skew", "2", code=3)
    fleet.run("status", "msf", "--max-skew", "0")
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"ALTER DATABASE {fleet.database('gone')} ALLOW_CONNECTIONS false".encode())
    gone = fleet.run("status", "--max-skew", "9", code=3).err
    assert gone.startswith("organization/gone: cannot be reached:") and gone.count("\n") == 1


def test_who_holds_the_lock_and_what_was_interrupted(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.execute("UPDATE tenantplan.runs SET status = 'running', finished_at = NULL")
    assert "was interrupted" in fleet.run("status").out
    from tenantplan.postgres.lock import KEY

    with psycopg.connect(fleet.server.url(dbname=fleet.main_database), application_name="tp:x") as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        text = fleet.run("status").out
        assert f"server process {holder.info.backend_pid}" in text
        assert "was interrupted" not in text


def test_a_database_the_organization_brought(fleet: Fleet) -> None:
    name = f"o{fleet.id}_own"
    with fleet.server.superuser_connect() as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER tp_admin".encode())
    try:
        fleet.env["OWN_URL"] = fleet.server.url(dbname=name)
        fleet.organization("own", "database: { url: { env: OWN_URL } }")
        fleet.apply()
        own = fleet.run("status", "own", "--json").json
        assert (own["hasDedicatedDatabase"], own["database"], own["reachable"], own["behind"]) == (True, name, True, 0)
        assert ":***@" in own["url"]
        del fleet.env["OWN_URL"]
        lost = fleet.run("status", "own", "--json").json
        assert lost["reachable"] is False
        assert "OWN_URL" in lost["reason"]
    finally:
        with fleet.server.superuser_connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
