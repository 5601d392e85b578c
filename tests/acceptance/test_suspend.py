"""state: suspended closes logins and the sessions that are open; active opens them again."""

from __future__ import annotations

import psycopg
import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

PASSWORD = "long-and-random-5Xq!"
BODY = "database: { mode: dedicated, readOnly: true, password: { env: MSF_PASSWORD } }\n"


@pytest.fixture
def running(fleet: Fleet) -> Fleet:
    fleet.env["MSF_PASSWORD"] = PASSWORD
    fleet.organization("msf", BODY)
    fleet.organization("other", "database: { mode: dedicated, password: { env: MSF_PASSWORD } }")
    fleet.apply()
    return fleet


def login(fleet: Fleet, name: str) -> psycopg.Connection[tuple[object, ...]]:
    return fleet.server.connect(fleet.database(name) + "_app", fleet.database(name), PASSWORD)


def test_suspended_closes_logins_and_sessions(running: Fleet) -> None:
    with login(running, "msf") as session, login(running, "other") as elsewhere:
        running.organization("msf", BODY + "state: suspended")
        running.apply()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        assert elsewhere.execute("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        login(running, "msf")
    connect = "SELECT has_database_privilege(r, %s, 'CONNECT') FROM unnest(ARRAY[%s, %s]) r"
    database = running.database("msf")
    assert running.rows(connect, database, f"{database}_app", f"{database}_ro") == [(False,), (False,)]
    running.converged()


def test_active_opens_them_again(running: Fleet) -> None:
    running.organization("msf", BODY + "state: suspended")
    running.apply()
    running.organization("msf", BODY)
    running.apply()
    with login(running, "msf") as session:
        assert session.execute("SELECT count(*) FROM donors").fetchall() == [(0,)]
    assert running.rows("SELECT state::text FROM organizations WHERE slug = 'msf'") == [("active",)]
    running.converged()


def test_a_suspended_organization_keeps_its_tables_migrated(running: Fleet) -> None:
    """Suspended is not frozen: the database stays at head, and its rows stay."""
    running.execute("INSERT INTO donors (email) VALUES ('d@x.example')", database=running.database("msf"))
    running.organization("msf", BODY + "state: suspended")
    running.apply()
    assert running.rows("SELECT email FROM donors", database=running.database("msf")) == [("d@x.example",)]
    assert running.plan()["unreachable"] == []


def test_a_tenant_of_a_suspended_organization_is_closed_too(running: Fleet) -> None:
    running.document("Tenant", "paris", "{ organization: msf, displayName: P, database: { mode: dedicated } }")
    running.apply()
    running.organization("msf", BODY + "state: suspended")
    running.apply()
    app = running.database("paris") + "_app"
    assert running.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", app) == [(False,)]
    running.converged()
