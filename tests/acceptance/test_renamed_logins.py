"""Generated passwords of logins through renames: under the new name, with turns and after interruptions."""

from __future__ import annotations

import re

import psycopg
import pytest
from acceptance.delivered import handed, with_targets
from acceptance.harness import Fleet

pytestmark = pytest.mark.once

SETTINGS = """credentials: { targets: { files: { file: 'handed/{organization}.env' } } }
guard: { maxChangedPercent: 100 }"""
DELIVERED = "database: { mode: dedicated, password: { generate: true }, deliver: files }"
TURNS = "database: { mode: dedicated, password: { generate: true }, deliver: files, readOnly: true, rotation: { roles: 2 } }"
SHARED = "database: { login: true, password: { generate: true }, deliver: files }"
INTERRUPTIONS = [(step, DELIVERED) for step in ("login-pending", "login-set", "login-delivered")] + [
    ("login-set", TURNS)
]


@pytest.fixture
def keyed(fleet: Fleet) -> Fleet:
    """A fleet with an encryption key and a target."""
    return with_targets(fleet, SETTINGS)


def rename(fleet: Fleet, body: str, before: str = "a", after: str = "c") -> None:
    fleet.remove("Organization", before)
    fleet.organization(after, body, renamedFrom=before)


def logs_in(fleet: Fleet, *names: str) -> None:
    """Each delivered connection string opens its database; the main database knows one current password of each login."""
    found = handed(fleet)
    for name in names:
        url = re.search("DATABASE_URL=(.*)", found[f"{name}.env"])
        assert url is not None
        psycopg.connect(url[1]).close()
    rows = fleet.rows("SELECT holder FROM database_logins WHERE state = 'current'")
    assert len({holder for (holder,) in rows}) == len(rows) == len(names)
    assert fleet.rows("SELECT role_name FROM database_logins WHERE state = 'pending'") == []


def settled(fleet: Fleet, *names: str) -> None:
    """Nothing is left to do, and the next apply sets no other password."""
    logs_in(fleet, *names)
    before = handed(fleet)
    fleet.apply()
    fleet.converged()
    assert handed(fleet) == before


@pytest.mark.parametrize("body", [DELIVERED, SHARED], ids=["dedicated", "shared"])
def test_a_renamed_organization(keyed: Fleet, body: str) -> None:
    keyed.organization("a", body)
    keyed.apply()
    rename(keyed, body)
    keyed.apply()
    settled(keyed, "c")


def test_a_renamed_tenant(keyed: Fleet) -> None:
    keyed.organization("acme", DELIVERED)
    keyed.document("Tenant", "n1", "organization: acme\ndisplayName: N\ndatabase: { mode: dedicated }")
    keyed.apply()
    keyed.remove("Tenant", "n1")
    keyed.document(
        "Tenant", "n2", "organization: acme\ndisplayName: N\ndatabase: { mode: dedicated }", renamedFrom="n1"
    )
    keyed.apply()
    settled(keyed, "acme", "tenant.n2")


def test_renamed_and_back(keyed: Fleet) -> None:
    keyed.organization("a", TURNS)
    keyed.apply()
    rename(keyed, TURNS)
    keyed.apply()
    logs_in(keyed, "c", "c.read-only")
    rename(keyed, TURNS, "c", "a")
    keyed.apply()
    settled(keyed, "a", "a.read-only")


@pytest.mark.parametrize(("step", "body"), INTERRUPTIONS)
def test_renamed_after_an_interrupted_rotation(keyed: Fleet, step: str, body: str) -> None:
    names = ("c", "c.read-only") if body == TURNS else ("c",)
    keyed.organization("a", body)
    keyed.apply()
    assert keyed.process("credentials", "rotate", "a", env={"TENANTPLAN_FAILPOINT": step}).code < 0
    rename(keyed, body)
    for _ in range(2):
        keyed.apply()
    settled(keyed, *names)


@pytest.mark.parametrize(("step", "body"), INTERRUPTIONS)
def test_an_interrupted_rename(keyed: Fleet, step: str, body: str) -> None:
    names = ("c", "c.read-only") if body == TURNS else ("c",)
    keyed.organization("a", body)
    keyed.apply()
    rename(keyed, body)
    assert keyed.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": step}).code < 0
    keyed.apply()
    settled(keyed, *names)


def test_a_rename_that_was_interrupted_and_taken_back(keyed: Fleet) -> None:
    """What it left under the new name stands in the way neither of who keeps the old one, nor of the rename later."""
    keyed.organization("a", TURNS)
    keyed.apply()
    rename(keyed, TURNS)
    assert keyed.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "login-pending"}).code < 0
    keyed.remove("Organization", "c")
    keyed.organization("a", TURNS)
    keyed.apply()
    keyed.converged()
    rename(keyed, TURNS)
    keyed.apply()
    settled(keyed, "c", "c.read-only")
