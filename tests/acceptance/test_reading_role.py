"""A role that may only read plans everything; what it lacks for apply is a note, and apply refuses it before it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from acceptance.harness import Fleet
from servers import TestServer

PASSWORD = "Vk8-only-reads-here"


@dataclass
class Read:
    """A fleet, and the environment in which its reading role looks at it."""

    fleet: Fleet
    role: str

    @property
    def env(self) -> dict[str, str]:
        return {"TENANTPLAN_MAIN_URL": self.fleet.server.url(self.role, password=PASSWORD)}

    def grant(self) -> None:
        """Runs what doctor prints for the reading role, as it is printed."""
        printed = self.fleet.run("doctor", "--grants").out
        reading = printed.split("-- The role that applies")[0].replace("tenantplan_reader", self.role)
        for line in reading.splitlines():
            if line.startswith("GRANT"):
                self.fleet.execute(line, database="postgres")


@pytest.fixture(scope="module")
def there(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    fleet = Fleet(tmp_path_factory.mktemp("read"), server)
    found = Read(fleet, f"o{fleet.id}_reader")
    fleet.execute(f"CREATE ROLE {found.role} LOGIN PASSWORD '{PASSWORD}'", database="postgres")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("acme")
    yield found
    fleet.clean()


def test_it_plans_a_fleet_that_is_not_there_yet(there: Read) -> None:
    fleet = there.fleet
    made = fleet.run("plan", "--format", "json", env=there.env).json
    assert made["blockers"] == []
    (note,) = [n for n in made["notes"] if n["rule"] == "rights"]
    assert "CREATEDB and CREATEROLE" in note["message"] and f"ALTER ROLE {there.role}" in note["message"]
    assert made["digest"] == fleet.plan()["digest"]  # what was approved is what the other role applies
    refused = fleet.run("apply", "--auto-approve", code=1, env=there.env).err
    assert "lacks CREATEDB and CREATEROLE" in refused and "ALTER ROLE" in refused
    comments = "SELECT shobj_description(oid, 'pg_database') LIKE %s FROM pg_database"
    assert (True,) not in fleet.rows(comments, f'%"{fleet.name}"%', database="postgres")
    assert fleet.databases() == []


def test_it_plans_everything_that_follows(there: Read) -> None:
    fleet = there.fleet
    fleet.apply()
    there.grant()
    assert fleet.run("plan", "--format", "json", env=there.env).json["operations"] == []
    fleet.organization("wwf", "database: { mode: dedicated }")
    fleet.organization("acme", "featureFlags: { NEW: true }")
    made = fleet.run("plan", "--format", "json", env=there.env).json
    assert made["blockers"] == [] and made["unreachable"] == []
    assert "database/primary/" + fleet.database("wwf") in [o["address"] for o in made["operations"]]
    mine = fleet.plan()
    assert {k: v for k, v in made.items() if k not in ("created_at", "seal", "digest", "notes")} == {
        k: v for k, v in mine.items() if k not in ("created_at", "seal", "digest", "notes")
    }
    assert made["digest"] == mine["digest"]
    fleet.run("status", env=there.env)
    fleet.run("audit", "verify", env=there.env)
    fleet.run("plan", "--out", "plan.json", env=there.env)
    refused = fleet.run("apply", "plan.json", "--auto-approve", code=1, env=there.env).err
    assert "lacks CREATEDB and CREATEROLE" in refused
    fleet.run("apply", "plan.json", "--auto-approve")
    fleet.converged()


def test_it_writes_nothing(there: Read) -> None:
    """The grants are those of reading alone."""
    printed = there.fleet.run("doctor", "--grants").out
    reading = printed.split("-- The role that applies")[0]
    assert not re.search(r"INSERT|UPDATE|DELETE|CREATEDB|CREATEROLE|pg_write|SUPERUSER|MEMBER", reading)


def test_the_grants_of_the_applying_role_are_enough(there: Read) -> None:
    printed = there.fleet.run("doctor", "--grants").out
    (line,) = [line for line in printed.splitlines() if line.startswith("CREATE ROLE tenantplan_admin ")]
    assert (
        line == "CREATE ROLE tenantplan_admin LOGIN NOSUPERUSER CREATEDB CREATEROLE;"
    )  # as tp_admin is, that all tests run as
    unreachable = {"TENANTPLAN_MAIN_URL": "postgresql://u:some-password-77@127.0.0.1:1/postgres"}
    assert printed == there.fleet.run("doctor", "--grants", env=unreachable).out
