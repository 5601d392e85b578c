"""Rows that were written between plan and apply are not left behind: the old place is asked again, with writers kept out."""

from __future__ import annotations

import signal
from typing import Any

import psycopg
import pytest
from acceptance.harness import Fleet
from acceptance.neighbours import id_of, neighbours, pooled
from acceptance.own_database import own_database
from acceptance.test_closing import INSERT, dedicated, insert
from acceptance.test_faults_concurrency import killed_at_last, stopped, until
from acceptance.writers import Writers

pytestmark = pytest.mark.once

OPEN = "protect: false\n"
MODE = "SELECT database_mode::text FROM organizations WHERE slug = 'acme'"


def planned(fleet: Fleet) -> None:
    fleet.run("plan", "--out", "plan.json")


def refused(fleet: Fleet) -> None:
    told = fleet.run("apply", "plan.json", "--auto-approve", code=None)
    assert told.code in (4, 5), told.out
    assert "has rows in donors that were written after the plan was made" in " ".join(told.out.split())


def empty_neighbours(fleet: Fleet) -> Fleet:
    neighbours(fleet, OPEN)
    fleet.execute("DELETE FROM donors")
    return fleet


def test_rows_of_the_shared_tables(fleet: Fleet) -> None:
    """And another organization's track of the same plan is done."""
    empty_neighbours(fleet)
    row_id = id_of(fleet, "acme")
    fleet.organization("acme", OPEN + "database: { mode: dedicated }")
    fleet.organization("zeta", OPEN + "database: { mode: dedicated }")
    planned(fleet)
    fleet.execute("INSERT INTO donors (organization_id, email) VALUES (%s, 'late@x.example')", row_id)
    refused(fleet)
    assert fleet.rows(MODE) == [("shared",)]
    assert fleet.rows("SELECT email FROM donors") == [("late@x.example",)]
    fleet.execute("DELETE FROM donors")
    fleet.apply()
    fleet.converged()


def test_rows_of_a_dedicated_database(fleet: Fleet) -> None:
    dedicated(fleet)
    fleet.organization("acme", OPEN)
    planned(fleet)
    fleet.execute(INSERT, database=fleet.database("acme"))
    refused(fleet)
    assert fleet.rows(MODE) == [("dedicated",)]
    fleet.server.connect(fleet.database("acme") + "_app", fleet.database("acme"), "long-and-random-5Xq!").close()


def test_rows_of_a_database_that_the_organization_brought(fleet: Fleet) -> None:
    with own_database(fleet, "ACME_URL") as name:
        fleet.organization("acme", OPEN + "database: { url: { env: ACME_URL } }")
        fleet.apply()
        fleet.organization("acme", OPEN)
        planned(fleet)
        fleet.execute(INSERT, database=name)
        refused(fleet)
        assert fleet.rows(MODE) == [("dedicated",)]


def test_rows_of_a_tenant_that_changes_its_organization(fleet: Fleet) -> None:
    empty_neighbours(fleet)
    fleet.document("Tenant", "paris", "{ organization: acme, displayName: P }")
    fleet.apply()
    fleet.document("Tenant", "paris", "{ organization: zeta, displayName: P }")
    planned(fleet)
    fleet.execute("INSERT INTO donors (organization_id, email) VALUES (%s, 'late@x.example')", id_of(fleet, "acme"))
    refused(fleet)


def committed_late(fleet: Fleet, database: str, statement: str, *parameters: object) -> None:
    """A row is written before apply looks, and committed when apply waits for that, or did not and has ended."""
    waits = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'tp:%' AND wait_event_type = 'Lock'"
    with fleet.connect(database) as writer:
        writer.autocommit = False
        writer.execute(statement.encode(), parameters)
        process = fleet.start("apply", "plan.json", "--auto-approve")
        with killed_at_last([process]):
            until(lambda: process.poll() is not None or bool(fleet.rows(waits, database="postgres")))
            writer.commit()
            out, _ = process.communicate(timeout=60)
    assert "has rows in donors that were written after the plan was made" in " ".join(out.split())


def test_a_row_of_the_shared_tables_that_is_not_committed_yet(fleet: Fleet) -> None:
    empty_neighbours(fleet)
    fleet.organization("acme", OPEN + "database: { mode: dedicated }")
    planned(fleet)
    statement = "INSERT INTO donors (organization_id, email) VALUES (%s, 'late@x.example')"
    committed_late(fleet, fleet.main_database, statement, id_of(fleet, "acme"))
    assert fleet.rows(MODE) == [("shared",)]


def test_a_row_of_a_dedicated_database_that_is_not_committed_yet(fleet: Fleet) -> None:
    dedicated(fleet)
    fleet.organization("acme", OPEN)
    planned(fleet)
    committed_late(fleet, fleet.database("acme"), INSERT)
    assert fleet.rows(MODE) == [("dedicated",)]


def test_writers_are_kept_out_until_the_place_is_left(fleet: Fleet) -> None:
    dedicated(fleet)
    fleet.organization("acme", OPEN)
    process = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "effects-made:1:stop"})
    with killed_at_last([process]):
        until(lambda: stopped(process))
        with fleet.connect(fleet.database("acme")) as writer:
            writer.execute("SET lock_timeout = '300ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                writer.execute(INSERT)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert fleet.rows(MODE) == [("shared",)]


def test_a_pool_of_the_old_mode_writes_nothing_that_is_left_behind(fleet: Fleet) -> None:
    """It writes and deletes all the time: either the plan is refused, or its writes are, and never is a row left there."""
    dedicated(fleet)
    fleet.organization("acme", OPEN)

    def write(connection: psycopg.Connection[Any]) -> None:
        with connection.transaction():
            insert(connection)
            connection.execute("DELETE FROM donors")

    role, database = fleet.database("acme") + "_app", fleet.database("acme")
    with Writers(lambda: fleet.server.connect(role, database, "long-and-random-5Xq!"), write) as pool:
        fleet.apply()
        assert pool.written_after() == 0
    assert fleet.rows("SELECT count(*) FROM donors", database=database) == [(0,)]
    assert fleet.rows(MODE) == [("shared",)]
    fleet.run("audit", "verify")


def test_the_pooled_login_writes_no_rows_of_an_organization_that_has_a_database(fleet: Fleet) -> None:
    empty_neighbours(fleet)
    row_id = id_of(fleet, "acme")

    def write(connection: psycopg.Connection[Any]) -> None:
        with connection.transaction():
            connection.execute("SELECT set_config('tenantplan.organization_id', %s, true)", [row_id])
            connection.execute(INSERT)
            connection.execute("DELETE FROM donors")

    with pooled(fleet):
        login = f"o{fleet.id}_application"
        with Writers(lambda: fleet.server.connect(login, fleet.main_database, "long-and-random-5Xq!"), write) as pool:
            fleet.organization("acme", OPEN + "database: { mode: dedicated }")
            fleet.apply()
            assert pool.written_after() == 0
    assert fleet.rows("SELECT count(*) FROM donors") == [(0,)]
    fleet.converged()
