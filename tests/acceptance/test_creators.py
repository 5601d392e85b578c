"""Roles of many organizations are made by creators, so that a change takes as long among thousands as among a hundred."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.harness import Fleet
from conftest import FreshServer

from tenantplan.apply.effects import role_creators

DEDICATED = "database: { mode: dedicated }\nprotect: false"
MADE = (
    "SELECT c.rolname::text, count(DISTINCT r.oid) FROM pg_roles c JOIN pg_auth_members m ON m.member = c.oid"
    " JOIN pg_roles r ON r.oid = m.roleid WHERE c.rolname LIKE 'tenantplan_creator_%' GROUP BY 1 ORDER BY 1"
)
DIRECT = (
    "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
    " WHERE m.member = 'tp_admin'::regrole AND r.rolname LIKE %s"
)


@pytest.fixture
def grown(tmp_path: Path, fresh_server: FreshServer, pg_version: int) -> Fleet:
    """Twenty organizations made at once, on a server of their own."""
    if pg_version < 16:
        pytest.skip("a role is no member of what it makes before PostgreSQL 16")
    fleet = Fleet(tmp_path / "fleet", fresh_server())
    declare(fleet, 20)
    fleet.apply("--parallelism", "1")
    return fleet


def declare(fleet: Fleet, count: int, start: int = 0, body: str = DEDICATED) -> None:
    fleet.settings("guard: { maxChangedPercent: 100 }")
    for number in range(start, start + count):
        fleet.organization(f"org-{number}", body)


def test_creators_are_shared_out_and_filled(grown: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One takes roles until it is full, then another; tenantplan's role is a member of them alone."""
    [(first, made)] = grown.rows(MADE)
    assert made == 40 and grown.rows(DIRECT, f"o{grown.id}%") == [(0,)]
    monkeypatch.setattr(role_creators, "FULL", 61)  # 40 memberships to administer, and 20 more to be an owner
    declare(grown, 16, 20)
    grown.apply("--parallelism", "1")
    made_by = dict(grown.rows(MADE))
    assert len(made_by) == 2 and made_by[first] == 56 and sum(made_by.values()) == 72
    powers = (
        "SELECT bool_or(rolcanlogin OR rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls) FROM pg_roles"
        " WHERE rolname LIKE 'tenantplan_creator_%'"
    )
    assert grown.rows(powers) == [(False,)]
    grown.converged()


def test_what_creators_made_is_administered_as_before(grown: Fleet) -> None:
    """Limits, suspension, a name, an end, a purge: all that is done with roles later on."""
    for number, body in (
        (0, DEDICATED.replace(" }", ", connectionLimit: 3, readOnly: true }")),
        (1, DEDICATED + "\nstate: suspended"),
    ):
        grown.organization(f"org-{number}", body)
    grown.remove("Organization", "org-2")
    grown.organization("renamed", DEDICATED, renamedFrom="org-2")
    grown.organization("org-3", DEDICATED + "\nstate: deleted")
    grown.execute(f"REVOKE tenantplan_rw FROM {grown.database('org-4')}_app", database="postgres")
    grown.apply("--allow-deletes", "1")
    grown.converged()
    roles = f"SELECT rolname::text FROM pg_roles WHERE rolname LIKE '{grown.database('renamed')}%' ORDER BY 1"
    assert len(grown.rows(roles)) == 2


def test_a_creator_that_somebody_else_can_be_makes_nothing_more(grown: Fleet) -> None:
    """Nor one that somebody has made under such a name: its maker would administer what it makes."""
    [(first, made)] = grown.rows(MADE)
    grown.execute(f"CREATE ROLE guest CREATEROLE LOGIN; GRANT {first} TO guest", database="postgres")
    for name, granted in (("tenantplan_creator_00000000", "WITH INHERIT TRUE, SET TRUE"), ("tenantplan_creator_0", "")):
        with grown.connect("postgres") as session:
            session.execute("SET ROLE guest")
            session.execute(f"CREATE ROLE {name} CREATEROLE; GRANT {name} TO tp_admin {granted}".encode())
    declare(grown, 10, 20)
    grown.apply("--parallelism", "1")
    made_by = dict(grown.rows(MADE))
    assert made_by.pop(first) == made and list(made_by.values()) == [20]
    grown.converged()


def test_a_superuser_makes_them_itself(tmp_path: Path, fresh_server: FreshServer) -> None:
    fleet = Fleet(tmp_path / "fleet", fresh_server())
    fleet.execute("ALTER ROLE tp_admin SUPERUSER", database="postgres")
    declare(fleet, 10)
    fleet.apply("--parallelism", "1")
    fleet.converged()
    assert fleet.rows(MADE) == []
