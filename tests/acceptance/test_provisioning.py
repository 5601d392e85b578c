"""Databases made, migrated and given to those who need them; locks that die with their process."""

from __future__ import annotations

import re
import time

import pytest
from acceptance.harness import Fleet

DEDICATED = "database: { mode: dedicated }"


def test_a_database_is_made_whole(fleet: Fleet) -> None:
    """Name, owner, tables at head, and the roles: one that only reads where it is asked for."""
    fleet.organization("croix-rouge", "database: { mode: dedicated, connectionLimit: 7, readOnly: true }")
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    name = fleet.database("croix-rouge")
    owner = "SELECT pg_get_userbyid(datdba)::text, datconnlimit FROM pg_database WHERE datname = %s"
    assert fleet.rows(owner, name) == [(f"{name}_owner", 17)]  # its logins', and room for a migration
    roles = "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname LIKE %s ORDER BY 1"
    assert fleet.rows(roles, name + "\\_%") == [(f"{name}_app", True), (f"{name}_owner", False), (f"{name}_ro", True)]
    other = fleet.database("msf")
    assert fleet.rows(roles, other + "\\_%") == [(f"{other}_app", True), (f"{other}_owner", False)]
    assert fleet.rows("SELECT count(*) FROM donors", database=name) == [(0,)]
    (head,) = fleet.rows("SELECT version_num FROM alembic_version_tenant")
    assert fleet.rows("SELECT version_num FROM alembic_version", database=name) == [head]


def test_many_databases_at_once(fleet: Fleet) -> None:
    """Made side by side, each once. tenantplan's role can act as the owners of databases and as nobody else."""
    for number in range(20):  # some share a transaction
        fleet.organization(f"org-{number}", DEDICATED)
    fleet.apply("--parallelism", "4")
    assert fleet.databases() == sorted([fleet.main_database, *(fleet.database(f"org-{n}") for n in range(20))])
    roles = "SELECT rolname, pg_has_role('tp_admin', oid, 'USAGE') FROM pg_roles WHERE rolname LIKE %s ORDER BY 1"
    assert all(used == name.endswith("_owner") for name, used in fleet.rows(roles, f"o{fleet.id}%"))
    fleet.converged()


def test_a_database_of_that_name_is_never_taken(fleet: Fleet) -> None:
    """Somebody else's database with the derived name is a blocker, and stays as it is."""
    fleet.organization("first")
    fleet.apply()
    fleet.execute(f"CREATE DATABASE {fleet.database('msf')}", database="postgres")
    try:
        fleet.organization("msf", DEDICATED)
        blockers = fleet.plan()["blockers"]
        assert [(b["address"], b["rule"]) for b in blockers] == [
            (f"database/primary/{fleet.database('msf')}", "unmanaged")
        ]
        fleet.apply(code=3)
        assert fleet.rows("SELECT slug FROM organizations") == [("first",)]
    finally:
        fleet.execute(f"DROP DATABASE {fleet.database('msf')}", database="postgres")
    fleet.apply()
    fleet.converged()


def test_a_change_made_by_hand_is_put_right(fleet: Fleet) -> None:
    """Limits, logins and grants follow the YAML."""
    fleet.organization("msf", "database: { mode: dedicated, connectionLimit: 7, readOnly: true }")
    fleet.apply()
    name = fleet.database("msf")
    for statement in (
        f"ALTER DATABASE {name} CONNECTION LIMIT 3",
        f"GRANT CONNECT ON DATABASE {name} TO PUBLIC",
        f"ALTER ROLE {name}_app NOLOGIN CONNECTION LIMIT 99",
        f"REVOKE tenantplan_rw FROM {name}_app",
        f"REVOKE CONNECT ON DATABASE {name} FROM {name}_ro",
    ):
        fleet.execute(statement, database="postgres")
    assert fleet.operations() != []
    fleet.apply()
    fleet.converged()
    public = "SELECT has_database_privilege('public', %s, 'CONNECT'), has_database_privilege(%s, %s, 'CONNECT')"
    assert fleet.rows(public, name, f"{name}_ro", name) == [(False, True)]


def test_a_lost_database_is_made_again_only_when_it_is_named(fleet: Fleet) -> None:
    fleet.organization("msf", DEDICATED)
    fleet.apply()
    fleet.execute(f"DROP DATABASE {fleet.database('msf')}", database="postgres")
    address = f"database/primary/{fleet.database('msf')}"
    assert fleet.operations() == [f"create {address}"]
    assert "restore" in fleet.apply(code=3).err
    fleet.apply("--target", address)
    fleet.converged()


def test_the_lock_dies_with_its_process(fleet: Fleet) -> None:
    """The holder is named while it lives; killed, the next apply works at once."""
    fleet.organization("first")
    fleet.apply()
    fleet.organization("msf", DEDICATED)
    with fleet.connect() as blocker:
        blocker.autocommit = False
        blocker.execute(
            "LOCK TABLE organizations IN SHARE MODE"
        )  # lets plans read, holds the apply in the middle of its work
        held = fleet.start("apply", "--auto-approve")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tp:%%' AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 30
        while fleet.rows(waiting)[0][0] == 0:
            assert time.monotonic() < deadline and held.poll() is None
            time.sleep(0.05)
        run = fleet.rows("SELECT id::text FROM tenantplan.runs WHERE status = 'running'")[0][0]
        locked = fleet.process("apply", "--auto-approve")
        assert locked.code == 6
        assert run in locked.err and re.search(rf"process {held.pid}\b", locked.err)
        held.kill()
        held.communicate()
    started = time.monotonic()
    fleet.apply()
    assert time.monotonic() - started < 10
    fleet.converged()
    assert fleet.databases() == sorted([fleet.main_database, fleet.database("msf")])


def test_two_fleets_share_a_server(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another fleet's lock, rows and databases are not this one's."""
    other = Fleet(tmp_path_factory.mktemp("other"), fleet.server)
    try:
        for each in (fleet, other):
            each.organization("msf", DEDICATED)
            each.apply()
        for each in (fleet, other):
            assert each.plan()["orphans"] == []
            each.converged()
    finally:
        other.clean()
