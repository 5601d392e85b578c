"""`dev`: the embedded server of a fleet that chose it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.harness import Fleet

pytestmark = pytest.mark.once


@pytest.fixture
def local(fleet: Fleet) -> Iterator[Fleet]:
    """A fleet on its embedded server, which is stopped at the end."""
    fleet.embed()
    yield fleet
    fleet.run("dev", "down")


def test_up_psql_down(local: Fleet) -> None:
    assert "was not running" in local.run("dev", "down").out
    up = local.run("dev", "up").out
    assert f"postgresql://tenantplan@/{local.main_database}?host=" in up
    assert "nothing has been applied yet" in local.run("dev", "psql", code=1).err
    local.organization("msf", "database: { mode: dedicated }")
    local.organization("acme")
    local.apply()
    ask = ("-XAtc", "SELECT current_database()")
    for named, database in (
        ((), local.main_database),
        (("acme",), local.main_database),
        (("msf",), local.database("msf")),
        ((local.database("msf"),), local.database("msf")),
        (("postgres",), "postgres"),
    ):
        done = local.process("dev", "psql", *named, *ask)
        assert (done.code, done.out.strip()) == (0, database), done.err
    assert local.run("db", "show", "msf", "--json").json["source"] == "embedded"
    assert "did you mean `msf`?" in local.run("dev", "psql", "mfs", code=1).err
    assert "Stopped" in local.run("dev", "down").out
    assert local.run("status", "msf", "--json").json["reachable"] is True  # started again by itself


def test_a_fleet_with_a_server_of_its_own_is_refused(fleet: Fleet) -> None:
    for name in ("up", "down", "psql"):
        err = fleet.run("dev", name, code=1).err
        assert "dev is for the embedded one" in err
        assert "TENANTPLAN_MAIN_URL" in err
        assert fleet.server.params()["password"] not in err
