"""A template that could not be built leaves nothing behind; one that a kill left is cleared by the next apply."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from conftest import FreshServer

ONLY_IN_A_TEMPLATE = (
    "DO $$ BEGIN IF left(current_database(), 11) = 'tp_template' THEN RAISE EXCEPTION 'cannot be built'; END IF; END $$"
)


@pytest.fixture
def fleet(tmp_path: Path, fresh_server: FreshServer) -> Fleet:
    """On a server of its own: doctor names what other fleets have left on one, too."""
    return Fleet(tmp_path / "fleet", fresh_server())


def left(fleet: Fleet) -> list[str]:
    """Templates of the fleet that are not ready."""
    rows = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_template%%'"
        " AND shobj_description(oid, 'pg_database') LIKE %s AND shobj_description(oid, 'pg_database') NOT LIKE %s",
        f'%"{fleet.name}"%', '%"ready":"1"%', database="postgres",
    )  # fmt: skip
    return [row[0] for row in rows]


def templates_line(fleet: Fleet) -> dict[str, str]:
    checks = fleet.run("doctor", "--json", "--skip-rehearsal", code=None).json["checks"]
    (line,) = [c for c in checks if c["name"] == "templates"]
    return {"status": line["status"], "detail": line["detail"], "advice": line["advice"]}


def test_a_build_that_fails_leaves_nothing(fleet: Fleet) -> None:
    tree = tenant_tree(fleet)
    fleet.organization("acme")
    fleet.apply()
    tree.add("dead01", f"op.execute({ONLY_IN_A_TEMPLATE!r})")
    fleet.organization("msf", "database: { mode: dedicated }")
    failed = fleet.apply(code=5)
    assert "cannot be built" in failed.out + failed.err
    assert left(fleet) == []
    assert templates_line(fleet)["status"] == "pass"


def test_what_a_kill_left_is_cleared_though_nobody_needs_it_any_more(fleet: Fleet) -> None:
    fleet.organization("acme")
    fleet.apply()
    fleet.organization("msf", "database: { mode: dedicated }")
    killed = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "template-created"})
    assert killed.code == -signal.SIGKILL
    (half,) = left(fleet)
    line = templates_line(fleet)
    assert line["status"] == "warn" or "interrupted" in line["detail"]
    fleet.remove("Organization", "msf")
    fleet.apply()
    assert half and left(fleet) == []
    assert templates_line(fleet)["status"] == "pass"
    fleet.converged()


def revision(fleet: Fleet) -> str:
    """The revision that the database of msf has itself."""
    return str(fleet.rows("SELECT version_num FROM alembic_version", database=fleet.database("msf"))[0][0])


def test_a_migration_beside_other_changes_is_rehearsed_too(fleet: Fleet) -> None:
    """What cannot be done in the template is done nowhere, also where the organization's row changes in the same plan."""
    tree = tenant_tree(fleet)
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    before = revision(fleet)
    tree.add("dead01", f"op.execute({ONLY_IN_A_TEMPLATE!r})")
    fleet.organization("msf", "contact: { email: it@msf.example }\ndatabase: { mode: dedicated }")
    failed = fleet.apply(code=5)
    assert "cannot be built" in failed.out + failed.err
    assert revision(fleet) == before
