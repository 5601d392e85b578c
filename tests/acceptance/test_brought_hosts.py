"""A database that a document brings gets what its own connection string holds, and only on a host that the fleet names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.false_server import FalseServer
from acceptance.harness import Fleet

pytestmark = pytest.mark.once
CANARY = "canary-4711-xyz"


def surroundings(home: Path, port: int) -> dict[str, str]:
    """All that libpq finds a password in, but for the connection string."""
    home.mkdir()
    for name, line in (("pgpass", f"*:*:*:*:{CANARY}"), (".pgpass", f"*:*:*:*:{CANARY}")):
        (home / name).write_text(line + "\n")
        (home / name).chmod(0o600)
    (home / "services").write_text(f"[other]\nhost=127.0.0.1\nport={port}\nuser=tp_admin\npassword={CANARY}\n")
    return {"HOME": str(home), "PGSERVICEFILE": str(home / "services")}


WAYS = {
    "password": {"PGPASSWORD": CANARY},
    "home": {},
    "passfile": {"PGPASSFILE": "pgpass"},
    "service": {"PGSERVICE": "other"},
}


@pytest.mark.parametrize("command", ["plan", "status", "drift", "doctor", "db test acme", "apply"])
@pytest.mark.parametrize("way", WAYS)
def test_no_password_of_the_environment_goes_to_a_document_s_host(
    fleet: Fleet, tmp_path: Path, way: str, command: str
) -> None:
    fleet.organization("wwf")
    fleet.apply()
    with FalseServer() as false:
        env = surroundings(tmp_path / "home", false.port) | WAYS[way]
        if way == "passfile":
            env["PGPASSFILE"] = str(tmp_path / "home" / "pgpass")
        fleet.env |= env | {"ACME_URL": f"postgresql://tp_admin@127.0.0.1:{false.port}/x?sslmode=disable"}
        fleet.organization("acme", "database: { url: { env: ACME_URL } }")
        if command in ("status", "drift"):  # what is live is looked into as well
            fleet.execute(
                "INSERT INTO organizations (id, slug, display_name, database_mode, database_url, managed_by)"
                " VALUES (gen_random_uuid(), 'acme', 'Acme', 'dedicated', 'env:ACME_URL', %s)",
                fleet.name,
            )
        said = fleet.run(*command.split(), *(["--auto-approve"] if command == "apply" else []), code=None)
        assert false.met and false.heard == [], said.out + said.err
        assert "no password supplied" in said.out + said.err or command == "status"


@pytest.mark.parametrize("asks", ["gss", "sasl", "md5"])
def test_nothing_else_is_sent_either(fleet: Fleet, tmp_path: Path, asks: str) -> None:
    with FalseServer(asks) as false:
        fleet.env |= surroundings(tmp_path / "home", false.port) | {
            "PGPASSWORD": CANARY,
            "PGOPTIONS": "-c search_path=evil",
            "PGDATABASE": "other",
            "PGAPPNAME": CANARY,
            "PGUSER": "tp_admin",
            "ACME_URL": f"postgresql://acme@127.0.0.1:{false.port}/x",
        }
        fleet.organization("acme", "database: { url: { env: ACME_URL } }")
        fleet.plan()
        assert false.heard == [] and false.startups
        assert all(CANARY not in str(first) and "evil" not in str(first) for first in false.startups)
        assert {first["user"] for first in false.startups} == {"acme"}


def test_its_own_password_is_used(fleet: Fleet) -> None:
    with FalseServer() as false:
        fleet.env |= {"PGPASSWORD": CANARY, "ACME_URL": f"postgresql://acme:its-own-4711@127.0.0.1:{false.port}/x"}
        fleet.organization("acme", "database: { url: { env: ACME_URL } }")
        fleet.plan()
        assert false.heard and all(b"its-own-4711" in sent for sent in false.heard)


@pytest.mark.parametrize(
    ("url", "says"),
    [("postgresql:///x?user=acme", "names no host"), ("postgresql://127.0.0.1/x", "names no user")],
)
def test_it_says_itself_where_and_who(fleet: Fleet, url: str, says: str) -> None:
    fleet.env |= {"PGHOST": "127.0.0.1", "PGPORT": str(fleet.server.port), "PGUSER": "tp_admin", "ACME_URL": url}
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    assert [says in finding["message"] for finding in fleet.plan()["unreachable"]] == [True]


def test_the_fleet_s_own_server_still_takes_its_password_from_the_environment(fleet: Fleet) -> None:
    params = fleet.server.params()
    fleet.env |= {
        "PGPASSWORD": params["password"],
        "TENANTPLAN_MAIN_URL": f"postgresql://tp_admin@127.0.0.1:{fleet.server.port}/postgres",
    }
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.converged()


@pytest.fixture
def elsewhere() -> Iterator[FalseServer]:
    """A listener on an address of this machine that is not the fleet's server's."""
    with FalseServer(host="127.0.0.2") as false:
        yield false


@pytest.mark.parametrize("place", ["127.0.0.2", "127.0.0.1?hostaddr=127.0.0.2", "localhost?hostaddr=127.0.0.2"])
def test_another_host_is_a_blocker_before_anything_is_sent(fleet: Fleet, elsewhere: FalseServer, place: str) -> None:
    host, _, more = place.partition("?")
    fleet.env["ACME_URL"] = f"postgresql://acme:{CANARY}@{host}:{elsewhere.port}/x?sslmode=disable&{more}"
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.organization("wwf")
    plan = fleet.plan()
    assert [(b["address"], b["rule"]) for b in plan["blockers"]] == [("organization/acme", "host")]
    assert "add to spec in tenantplan.yaml:  allowedHosts: [127.0.0.1" in plan["blockers"][0]["message"]
    assert fleet.run("plan", code=None).out.count("allowedHosts") == 1
    fleet.apply(code=3)
    for command in (["db", "test", "acme"], ["doctor"]):
        said = fleet.run(*command, code=1)
        assert "127.0.0.2" in said.out + said.err and CANARY not in said.out + said.err
    assert elsewhere.met == 0
    assert not fleet.databases()


def test_the_fleet_file_names_hosts(fleet: Fleet, elsewhere: FalseServer) -> None:
    fleet.env["ACME_URL"] = f"postgresql://acme:{CANARY}@127.0.0.2:{elsewhere.port}/x?sslmode=disable"
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.settings('allowedHosts: [127.0.0.2, "*.db.example"]')
    assert fleet.plan()["blockers"] == [] and elsewhere.heard
    fleet.settings('allowedHosts: ["*.db.example"]')
    assert [b["rule"] for b in fleet.plan()["blockers"]] == ["host"]
    fleet.settings('allowedHosts: ["db.example:5432"]')
    assert "no port" in fleet.run("plan", code=1).err


def test_a_database_in_use_on_a_host_that_is_not_named(fleet: Fleet) -> None:
    """What is live is not looked into either, by any command; the rest of the fleet is."""
    name = f"o{fleet.id}_x"
    fleet.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{CANARY}'", database="postgres")
    fleet.execute(f"CREATE DATABASE {name} OWNER {name}", database="postgres")
    fleet.env["ACME_URL"] = fleet.server.url(name, name, CANARY)
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.apply()
    fleet.settings("allowedHosts: [db.example]")
    before = fleet.server.log_text().count(f"@{name} ")
    assert [b["rule"] for b in fleet.plan()["blockers"]] == ["host"]
    assert "127.0.0.1" in fleet.run("drift", code=None).out
    assert "allowedHosts" in fleet.run("status", "--json").out
    fleet.organization("acme", "database: { mode: dedicated }")
    moved = fleet.plan()["blockers"]
    assert ("organization/acme", "host") in [(b["address"], b["rule"]) for b in moved]
    assert fleet.server.log_text().count(f"@{name} ") == before
    fleet.execute(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")


def test_a_key_of_the_fleet_s_own_server_is_not_used(fleet: Fleet) -> None:
    for name in ("client.crt", "client.key"):
        fleet.write(name, "x")
    fleet.settings("servers: { primary: { sslmode: disable, sslcert: client.crt, sslkey: client.key } }")
    there = fleet.root / "tenants" / ".." / "client.key"
    fleet.env["ACME_URL"] = f"postgresql://acme@127.0.0.1:{fleet.server.port}/x?sslkey={os.fspath(there)}"
    fleet.organization("acme", "database: { url: { env: ACME_URL } }")
    said = fleet.plan()["unreachable"]
    assert ["certificate or key of one of the fleet's servers" in finding["message"] for finding in said] == [True]
