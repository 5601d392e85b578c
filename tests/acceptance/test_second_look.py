"""Doors beside those that were shut: a forged file applied twice, sessions called like a run, own locks, replaced passwords."""

from __future__ import annotations

import re
from dataclasses import replace

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.own_database import own_database
from acceptance.tenant_tree import tenant_tree
from acceptance.test_plan_file import forged, saved

from tenantplan.model.operation import Operation

pytestmark = pytest.mark.once

PASSWORD = "a-long-enough-secret"
DEDICATED = "database: { mode: dedicated, password: { env: APP_PASSWORD } }\n"


def with_a_login(fleet: Fleet, body: str = DEDICATED, name: str = "evil") -> str:
    """An organization with a login whose password is known; returns the login."""
    fleet.env["APP_PASSWORD"] = PASSWORD
    fleet.organization(name, body)
    fleet.apply()
    return f"{fleet.database(name)}_app"


@pytest.mark.parametrize("victim", ["cust", "other"])
def test_what_was_held_back_is_compared_when_it_can_be(fleet: Fleet, victim: str) -> None:
    """A second apply of a forged file believes no more than the first."""
    tree = tenant_tree(fleet)
    with own_database(fleet, "CUST") as name:
        fleet.organization("cust", "database: { url: { env: CUST } }")
        fleet.organization("other", "database: { mode: dedicated }")
        fleet.apply()
        database = name if victim == "cust" else fleet.database("other")
        fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=database)
        tree.add("aa000001", "op.add_column('donors', sa.Column('nick', sa.Text()))")
        path, plan = saved(fleet)
        address = "schema/organization/cust" if victim == "cust" else f"schema/primary/{database}"

        def edit(operation: Operation) -> Operation:
            if operation.address != address:
                return operation
            statements = ("DELETE FROM donors", *operation.statements)
            return replace(operation, statements=statements, scope="organization/cust")

        forged(path, operations=tuple(edit(o) for o in plan.operations))
        fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")
        fleet.run("apply", str(path), code=5)
        fleet.run("apply", str(path), code=5)
        fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", database="postgres")
        fleet.run("apply", str(path), code=4)
        assert fleet.rows("SELECT email FROM donors", database=database) == [("d@x.example",)]
        fleet.apply()
        fleet.converged()


def test_a_session_that_is_called_like_a_dead_run_stops_nothing(fleet: Fleet) -> None:
    login = with_a_login(fleet)
    fleet.organization("other", "database: { mode: dedicated }")
    died = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "database-created"})
    assert died.code < 0
    (run,) = fleet.rows("SELECT id::text FROM tenantplan.runs WHERE status = 'running'")[0]
    with fleet.server.connect(login, fleet.database("evil"), PASSWORD) as session:
        session.execute(f"SET application_name = 'tp:{run}'".encode())
        fleet.apply()
        session.execute("SELECT 1")
    fleet.converged()


def test_a_login_does_not_keep_itself_open(fleet: Fleet) -> None:
    """By a password that it gives itself in a transaction that does not end."""
    login = with_a_login(fleet)
    session = fleet.server.connect(login, fleet.database("evil"), PASSWORD)
    session.autocommit = False
    session.execute("ALTER ROLE CURRENT_USER PASSWORD 'another-long-secret'")
    fleet.organization("evil", DEDICATED + "state: suspended")
    fleet.apply()
    session.close()
    assert fleet.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", login) == [(False,)]
    fleet.converged()


def test_a_brought_database_that_is_at_no_known_revision_stops_itself_only(fleet: Fleet) -> None:
    with own_database(fleet, "CUST") as name:
        fleet.organization("cust", "database: { url: { env: CUST } }")
        fleet.apply()
        fleet.execute("UPDATE alembic_version SET version_num = 'zzzz'", database=name)
        fleet.organization("other")
        plan = fleet.plan()
        assert plan["blockers"] == [] and [f["address"] for f in plan["unreachable"]] == ["organization/cust"]
        fleet.apply(code=5)
        assert fleet.rows("SELECT slug FROM organizations ORDER BY 1") == [("cust",), ("other",)]


def test_a_locked_table_does_not_fail_the_preflight_of_all(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.settings("rollout: { maxFailures: 3 }", migrations="migrations/tenant")
    fleet.organization("other", "database: { mode: dedicated }")
    login = with_a_login(fleet)
    path = tree.add("aa000001", "op.add_column('donors', sa.Column('nick', sa.Text()))")
    path.write_text(path.read_text() + "\npreflight = 'SELECT 1 FROM donors WHERE false'\n")
    with fleet.server.connect(login, fleet.database("evil"), PASSWORD) as session:
        session.autocommit = False
        session.execute("LOCK TABLE donors IN ACCESS EXCLUSIVE MODE")
        fleet.apply(code=5)
    at = "SELECT version_num FROM alembic_version"
    assert fleet.rows(at, database=fleet.database("other")) == [("aa000001",)]
    fleet.apply()
    fleet.converged()


def test_rows_of_every_schema_stay_with_their_organization(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    body = "op.execute('CREATE SCHEMA crm')\nop.execute('CREATE TABLE crm.notes (t text)')"
    tree.add("aa000001", "if not op.get_context().opts['shared']:\n    " + body.replace("\n", "\n    "))
    fleet.organization("a", "database: { mode: dedicated }")
    fleet.apply()
    fleet.execute("INSERT INTO crm.notes VALUES ('x')", database=fleet.database("a"))
    fleet.organization("a")
    (blocker,) = fleet.plan()["blockers"]
    assert blocker["rule"] == "occupied" and "crm.notes" in blocker["message"]


def test_a_password_that_was_replaced_has_no_sessions_left(fleet: Fleet) -> None:
    login = with_a_login(fleet)
    with fleet.server.connect(login, fleet.database("evil"), PASSWORD) as session:
        fleet.env["APP_PASSWORD"] = PASSWORD + "-anew"
        fleet.apply()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    fleet.server.connect(login, fleet.database("evil"), PASSWORD + "-anew").close()
    fleet.converged()


def test_a_tenants_database_does_not_change_its_organization_with_its_rows(fleet: Fleet) -> None:
    for name in ("a", "b"):
        fleet.organization(name)
    tenant = "{{ organization: {}, displayName: T, database: {{ mode: dedicated }} }}"
    fleet.document("Tenant", "t", tenant.format("a"))
    fleet.apply()
    fleet.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=fleet.database("t"))
    fleet.document("Tenant", "t", tenant.format("b"))
    assert [(b["address"], b["rule"]) for b in fleet.plan()["blockers"]] == [("tenant/t", "occupied")]
    fleet.apply(code=3)


def test_a_brought_server_that_answers_nonsense_stops_itself_only(fleet: Fleet) -> None:
    """Who brings a server is its superuser, and may put other functions over those of the catalog."""
    with own_database(fleet, "CUST") as name:
        fleet.organization("cust", "database: { url: { env: CUST } }")
        fleet.apply()
        fleet.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
            database=name,
        )
        fleet.organization("other")
        (found,) = fleet.plan()["unreachable"]
        assert found["address"] == "organization/cust" and "with values that no PostgreSQL gives" in found["message"]
        assert not re.search(r"Error|NoneType|Traceback|object", found["message"])
        fleet.apply(code=5)
        assert fleet.rows("SELECT slug FROM organizations ORDER BY 1") == [("cust",), ("other",)]
        shown = fleet.run("db", "test", "cust", code=None).out
        assert "with values that no PostgreSQL gives" in shown and "TypeError" not in shown
