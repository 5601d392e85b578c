"""A closed login stays closed: an application that reconnects at once writes nothing after apply has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.neighbours import bound, emails, id_of, neighbours, pooled
from acceptance.writers import Writers

PASSWORD = "long-and-random-5Xq!"
DEDICATED = "protect: false\ndatabase: { mode: dedicated, password: { env: TENANT_PASSWORD } }\n"
BOUND = "protect: false\ndatabase: { login: true, password: { env: TENANT_PASSWORD } }\n"
INSERT = "INSERT INTO donors (email) VALUES (gen_random_uuid() || '@x.example')"


def dedicated(fleet: Fleet) -> Fleet:
    fleet.env["TENANT_PASSWORD"] = PASSWORD
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    return fleet


def insert(connection: psycopg.Connection[Any]) -> None:
    connection.execute(INSERT)


def app(fleet: Fleet, database: str = "") -> Writers:
    """The pool of the organization's own application; where it is in shared mode, `database` is the main one."""
    role = fleet.database("acme") + "_app"
    return Writers(lambda: fleet.server.connect(role, database or fleet.database("acme"), PASSWORD), insert)


def suspend(fleet: Fleet) -> None:
    fleet.organization("acme", DEDICATED + "state: suspended")


def suspend_and_rename(fleet: Fleet) -> None:
    fleet.remove("Organization", "acme")
    fleet.organization("zeta", DEDICATED + "state: suspended", renamedFrom="acme")


def delete(fleet: Fleet) -> None:
    fleet.organization("acme", DEDICATED + "state: deleted")


def rename(fleet: Fleet) -> None:
    fleet.remove("Organization", "acme")
    fleet.organization("zeta", DEDICATED, renamedFrom="acme")


def rename_database(fleet: Fleet) -> None:
    fleet.organization("acme", DEDICATED.replace("dedicated,", f"dedicated, name: other_{fleet.id},"))


@pytest.mark.parametrize("change", [suspend, delete, rename, suspend_and_rename], ids=lambda f: f.__name__)
def test_a_pool_that_reconnects_at_once_writes_nothing_more(fleet: Fleet, change: Callable[[Fleet], None]) -> None:
    dedicated(fleet)
    with app(fleet) as pool:
        change(fleet)
        fleet.apply(*(["--allow-deletes", "1"] if change is delete else []))
        assert pool.written_after() == 0
    fleet.converged()


def test_a_rename_opens_the_new_place(fleet: Fleet) -> None:
    dedicated(fleet)
    with app(fleet):
        rename(fleet)
        fleet.apply()
    database = fleet.database("zeta")
    with fleet.server.connect(f"{database}_app", database, PASSWORD) as session:
        session.execute(INSERT)
    fleet.converged()


@pytest.mark.parametrize("spec", ["state: suspended", "state: deleted", "protect: false"])
def test_a_bound_login_of_shared_mode_writes_nothing_more(fleet: Fleet, spec: str) -> None:
    neighbours(fleet, BOUND)
    with app(fleet, fleet.main_database) as pool:
        fleet.organization("acme", spec if spec.startswith("protect") else BOUND + spec)
        fleet.apply(*(["--allow-deletes", "1"] if "deleted" in spec else []))
        assert pool.written_after() == 0
    fleet.converged()


def test_an_interrupted_apply_is_followed_by_one_that_ends_the_sessions(fleet: Fleet) -> None:
    dedicated(fleet)
    role = fleet.database("acme") + "_app"
    with fleet.server.connect(role, fleet.database("acme"), PASSWORD) as session:
        suspend(fleet)
        killed = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "committed"})
        assert killed.code < 0
        session.execute(INSERT)  # it goes on
        assert fleet.operations() == [f"update role/primary/{role}"]
        assert "although it is closed" in fleet.run("plan").out
        drifted = fleet.run("drift", "--json", code=2).json
        assert "sessions" in str(drifted)
        fleet.apply()
        with pytest.raises(psycopg.OperationalError):
            session.execute(INSERT)
    fleet.converged()
    fleet.run("drift")


@pytest.mark.parametrize("point", ["committed", "effects-made"])
def test_the_same_plan_file_finishes_what_was_interrupted(fleet: Fleet, point: str) -> None:
    dedicated(fleet)
    role = fleet.database("acme") + "_app"
    with fleet.server.connect(role, fleet.database("acme"), PASSWORD) as session:
        suspend(fleet)
        fleet.run("plan", "--out", "plan.json")
        assert fleet.process("apply", "plan.json", "--auto-approve", env={"TENANTPLAN_FAILPOINT": point}).code < 0
        session.execute(INSERT)
        fleet.run("apply", "plan.json", "--auto-approve")
        with pytest.raises(psycopg.OperationalError):
            session.execute(INSERT)
    fleet.converged()


@pytest.mark.parametrize("change", [rename, delete], ids=lambda f: f.__name__)
@pytest.mark.parametrize("point", ["intent-recorded", "database-shut", "effects-made", "committed"])
def test_a_rename_that_was_interrupted_goes_on_with_the_same_plan(
    fleet: Fleet, change: Callable[[Fleet], None], point: str
) -> None:
    dedicated(fleet)
    change(fleet)
    fleet.run("plan", "--out", "plan.json", code=3 if change is delete else 0)
    deletes = ["--allow-deletes", "1"] if change is delete else []
    apply = ("apply", "plan.json", "--auto-approve", *deletes)
    assert fleet.process(*apply, env={"TENANTPLAN_FAILPOINT": point}).code < 0
    fleet.run(*apply)
    if change is rename:
        database = fleet.database("zeta")
        fleet.server.connect(f"{database}_app", database, PASSWORD).close()
    fleet.converged()


def test_sessions_that_cannot_be_ended_are_an_error(fleet: Fleet) -> None:
    """A superuser's session in a database that is to be renamed: nobody is kept out for good, and nothing is half done."""
    dedicated(fleet)
    with fleet.connect(fleet.database("acme")):
        rename(fleet)
        told = fleet.apply(code=5)
        assert "1 session of postgres still open, which tenantplan's role may not end" in " ".join(told.out.split())
        fleet.server.connect(fleet.database("acme") + "_app", fleet.database("acme"), PASSWORD).close()
    fleet.apply()
    fleet.converged()


def test_sessions_that_are_another_role_are_ended(fleet: Fleet) -> None:
    dedicated(fleet)
    with fleet.server.connect(fleet.database("acme") + "_app", fleet.database("acme"), PASSWORD) as session:
        session.execute("SET ROLE tenantplan_rw")
        suspend(fleet)
        fleet.apply()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_no_membership_is_left(fleet: Fleet) -> None:
    dedicated(fleet)
    members = "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'tp_admin'"
    before = fleet.rows(members)
    with app(fleet):
        suspend(fleet)
        fleet.apply()
    assert fleet.rows(members) == before


def pooled_app(fleet: Fleet, row_id: str) -> Writers:
    """The pool of the application that all organizations in shared mode use."""

    def write(connection: psycopg.Connection[Any]) -> None:
        with connection.transaction():
            connection.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [row_id])
            connection.execute(INSERT)

    return Writers(lambda: fleet.server.connect(f"o{fleet.id}_application", fleet.main_database, PASSWORD), write)


@pytest.mark.parametrize("spec", ["state: suspended", "state: deleted"])
def test_the_pooled_login_writes_nothing_more_for_it(fleet: Fleet, spec: str) -> None:
    neighbours(fleet, "protect: false\n")
    row_id = id_of(fleet, "acme")
    with pooled(fleet) as session, pooled_app(fleet, row_id) as pool:
        fleet.organization("acme", f"protect: false\n{spec}")
        fleet.apply(*(["--allow-deletes", "1"] if "deleted" in spec else []))
        assert pool.written_after() == 0
        with pytest.raises(psycopg.Error, match=f"organization {row_id} is") as refused:
            emails(session, row_id)
        assert refused.value.sqlstate == "TP001"
        assert emails(session, id_of(fleet, "zeta")) == ["zeta@secret.example"]
        fleet.organization("acme", "protect: false\n")
        if "suspended" in spec:
            fleet.apply()
            assert "acme@secret.example" in emails(session, row_id)
    fleet.run("drift")


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_transactions_that_began_before_write_nothing_afterwards(fleet: Fleet, level: str) -> None:
    """One that has named the organization already, and one that wrote already: neither is there after apply has ended."""
    neighbours(fleet, "protect: false\n")
    row_id = id_of(fleet, "acme")
    with pooled(fleet) as first, pooled(fleet) as second:
        for session in (first, second):
            session.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
            session.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [row_id])
            session.execute("SELECT count(*) FROM donors")
        second.execute(INSERT)
        fleet.organization("acme", "protect: false\nstate: suspended")
        told = fleet.apply(code=5 if fleet.rows("SHOW server_version_num")[0][0] >= "160000" else 0)
        if told.code:
            assert "transactions of" in told.out and "may write for it" in told.out
        else:
            for session, statement in ((first, INSERT), (second, "COMMIT")):
                with pytest.raises(psycopg.OperationalError):
                    session.execute(statement.encode())


def test_transactions_that_end_soon_are_waited_for(fleet: Fleet) -> None:
    neighbours(fleet, "protect: false\n")
    row_id = id_of(fleet, "acme")
    with pooled(fleet) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [row_id])
        session.execute("SELECT count(*) FROM donors")
        fleet.organization("acme", "protect: false\nstate: suspended")
        running = fleet.start("apply", "--auto-approve")
        deadline = time.monotonic() + 60
        while fleet.rows("SELECT state::text FROM organizations WHERE slug = 'acme'") != [("suspended",)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        session.execute("UPDATE donors SET email = 'late@x.example'")
        assert running.poll() is None
        session.execute("COMMIT")
        running.communicate(timeout=60)
        assert running.returncode == 0
    fleet.converged()


def test_tenantplan_looks_at_the_rows_of_a_suspended_organization(fleet: Fleet) -> None:
    """A move of it still sees that it has rows."""
    neighbours(fleet, "protect: false\n")
    fleet.organization("acme", "protect: false\nstate: suspended")
    fleet.apply()
    fleet.organization("acme", "protect: false\nstate: suspended\ndatabase: { mode: dedicated }")
    assert [b["rule"] for b in fleet.plan()["blockers"]] == ["occupied"]


def test_a_bound_login_cannot_keep_itself_from_being_closed(fleet: Fleet) -> None:
    """A row that it inserted refers to its organization, whose row it so holds, in a transaction that it leaves open."""
    neighbours(fleet, BOUND)
    with bound(fleet, "acme") as session:
        session.execute("BEGIN")
        session.execute(INSERT)
        fleet.organization("acme", BOUND + "state: suspended")
        fleet.apply()
        with pytest.raises(psycopg.OperationalError):
            session.execute("COMMIT")
    fleet.converged()


def test_the_login_of_a_brought_database_is_listed_as_still_open(fleet: Fleet) -> None:
    """Nothing of tenantplan's closes it: plan and report say so by name."""
    fleet.execute(f"CREATE DATABASE o{fleet.id}_own OWNER tp_admin", database="postgres")
    fleet.env["OWN_URL"] = fleet.server.url(dbname=f"o{fleet.id}_own")
    brought = "protect: false\ndatabase: { mode: dedicated, url: { env: OWN_URL } }\n"
    fleet.organization("acme", brought)
    fleet.apply()
    for state, more in (("suspended", []), ("deleted", ["--allow-deletes", "1"])):
        fleet.organization("acme", brought + f"state: {state}")
        (note,) = [n for n in fleet.plan()["notes"] if n["rule"] == "still-open"]
        assert note["address"] == "organization/acme" and "the login in env:OWN_URL stays open" in note["message"]
        told = fleet.apply("--json", *more)
        assert told.json["stillOpen"] == [note]


def test_a_statement_timeout_is_a_default(fleet: Fleet) -> None:
    """As docs/isolation.md says: sessions begin with it, and may change it for themselves."""
    fleet.env["TENANT_PASSWORD"] = PASSWORD
    fleet.organization("acme", DEDICATED.replace("dedicated,", "dedicated, statementTimeout: 100ms,"))
    fleet.apply()
    with fleet.server.connect(fleet.database("acme") + "_app", fleet.database("acme"), PASSWORD) as session:
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("SELECT pg_sleep(1)")
        session.execute("SET statement_timeout = 0")
        session.execute("SELECT pg_sleep(0.3)")
