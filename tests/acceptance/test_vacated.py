"""Rows that were written between plan and apply are not left behind: the old place is asked again, with writers kept out."""

from __future__ import annotations

from typing import Any

import psycopg
from acceptance.harness import Fleet
from acceptance.neighbours import id_of, neighbours, pooled
from acceptance.test_closing import INSERT, dedicated, insert
from acceptance.writers import Writers

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


def test_rows_of_a_tenant_that_changes_its_organization(fleet: Fleet) -> None:
    empty_neighbours(fleet)
    fleet.document("Tenant", "paris", "{ organization: acme, displayName: P }")
    fleet.apply()
    fleet.document("Tenant", "paris", "{ organization: zeta, displayName: P }")
    planned(fleet)
    fleet.execute("INSERT INTO donors (organization_id, email) VALUES (%s, 'late@x.example')", id_of(fleet, "acme"))
    refused(fleet)


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
