"""Databases whose documents leave the server open: where tags and weights put them, and where they stay."""

from __future__ import annotations

import pytest
from acceptance.harness import Fleet
from conftest import FreshServer
from servers import TestServer

from tenantplan.desired.declare import load_documents
from tenantplan.errors import ConnectError
from tenantplan.fleet.opening import open_fleet
from tenantplan.live.current_servers import placed
from tenantplan.settings import settings

pytestmark = pytest.mark.once

AUTO = "database: { mode: dedicated, server: auto }"
EU = "database: { mode: dedicated, server: { tags: { region: eu } } }"


def offer(fleet: Fleet, **servers: str) -> None:
    """The fleet file's servers; `west=...` is what west offers beside its URL, in WEST_URL."""
    urls = {name: f"url: {{ env: {name.upper()}_URL }}, " if name != "primary" else "" for name in servers}
    listed = "\n".join(f"  {name}: {{ {urls[name]}{more} }}" for name, more in servers.items())
    fleet.settings(f"servers:\n{listed}")


def on(fleet: Fleet) -> dict[str, str]:
    """Name -> server of every organization and tenant with a database of its own, as the main database has it."""
    return dict(
        fleet.rows(
            "SELECT slug, database_server FROM organizations WHERE database_mode = 'dedicated'"
            " UNION ALL SELECT name, database_server FROM tenants WHERE database_mode = 'dedicated'"
        )
    )


def databases(fleet: Fleet, server: TestServer) -> set[str]:
    """Organizations and tenants that have a database on a server."""
    prefix = f"o{fleet.id}_"
    with server.superuser_connect() as connection:
        found = connection.execute("SELECT datname::text FROM pg_database").fetchall()
    return {name.removeprefix(prefix).replace("_", "-") for (name,) in found if name.startswith(prefix)}


@pytest.fixture
def west(fleet: Fleet, fresh_server: FreshServer) -> TestServer:
    """A second server, for databases in the EU, that takes three times as many as primary."""
    server = fresh_server()
    fleet.env["WEST_URL"] = server.url()
    offer(fleet, primary="tags: { region: us }", west="weight: 3, tags: { region: eu, ssd: yes }")
    return server


def test_tags_and_weights_say_where(fleet: Fleet, west: TestServer) -> None:
    """By name, by tags, by weight, from a tier, for a tenant; each is where its row says."""
    fleet.document("Tier", "pro", f"displayName: Pro\ndefaults: {{ {EU} }}")
    fleet.organization("named", "database: { mode: dedicated, server: primary }")
    fleet.organization("unsaid", "database: { mode: dedicated }")
    fleet.organization("tagged", EU)
    fleet.organization("tiered", "tier: pro")
    fleet.document("Tenant", "node", f"organization: named\ndisplayName: N\n{EU}")
    for number in range(6):
        fleet.organization(f"any-{number}", AUTO)
    fleet.apply()
    fleet.converged()
    there = on(fleet)
    assert {name: there[name] for name in ("named", "unsaid", "tagged", "tiered", "node")} == {
        "named": "primary", "unsaid": "primary", "tagged": "west", "tiered": "west", "node": "west",
    }  # fmt: skip
    assert databases(fleet, west) == {name for name, server in there.items() if server == "west"}
    assert databases(fleet, fleet.server) == {name for name, server in there.items() if server == "primary"}
    place = fleet.run("db", "show", "tiered", "--json").json
    assert (place["server"], place["applied"]) == ("west", True)


def test_what_is_there_stays(fleet: Fleet, west: TestServer, fresh_server: FreshServer) -> None:
    """A server more, other weights, a drained server move nobody; new ones go where they are let."""
    for name in ("one", "two", "three", "four"):
        fleet.organization(name, AUTO)
    fleet.organization("eu", EU)
    fleet.apply()
    before = on(fleet)
    east = fresh_server()
    fleet.env["EAST_URL"] = east.url()
    offer(fleet, primary="weight: 0, tags: { region: us }", west="weight: 0, tags: { region: eu }", east="weight: 9")
    fleet.run("validate")
    assert fleet.plan()["notes"] == []
    fleet.converged()
    fleet.organization("five", AUTO)
    assert fleet.run("db", "show", "five", "--json").json["server"] == "east"
    fleet.apply()
    fleet.converged()
    assert on(fleet) == {**before, "five": "east"} and databases(fleet, east) == {"five"}
    fleet.organization("six", EU)
    said = fleet.run("plan", code=1).err
    assert "organization-six.yaml:" in said and "no server with the tags region: eu takes new databases" in said
    assert "west (region: eu, weight 0)" in said


def test_a_server_that_no_longer_fits_keeps_what_it_has(fleet: Fleet, west: TestServer) -> None:
    """Nothing moves by itself; the plan says so, and a name moves it."""
    fleet.organization("eu", EU)
    fleet.apply()
    offer(fleet, primary="tags: { region: eu }", west="tags: { region: us }")
    plan = fleet.plan()
    assert plan["operations"] == []
    (note,) = plan["notes"]
    assert (note["address"], note["rule"]) == ("organization/eu", "placement")
    assert "stays on server west, which lacks the tags region: eu" in note["message"]
    assert "stays on server west" in fleet.run("plan").out
    fleet.organization("eu", "database: { mode: dedicated, server: primary }")
    fleet.apply()
    assert on(fleet) == {"eu": "primary"}
    fleet.organization("eu", EU)
    fleet.converged()
    assert fleet.plan()["notes"] == []


def test_a_life_where_it_was_put(fleet: Fleet, west: TestServer) -> None:
    """A rename, a deletion, a way back and a purge stay on the server, whatever the weights are by then."""
    fleet.organization("old", EU + "\nprotect: false")
    fleet.apply()
    with west.superuser_connect(fleet.database("old")) as connection:
        connection.execute("INSERT INTO donors (email) VALUES ('d@x.example')")
    offer(fleet, primary="weight: 9, tags: { region: eu }", west="weight: 0, tags: { region: eu }")
    fleet.remove("Organization", "old")
    fleet.organization("new", EU + "\nprotect: false", renamedFrom="old")
    fleet.apply()
    fleet.converged()
    assert on(fleet) == {"new": "west"} and databases(fleet, west) == {"new"}
    fleet.organization("new", EU + "\nprotect: false\nstate: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    assert databases(fleet, west) == set()
    fleet.organization("new", EU + "\nprotect: false")
    fleet.organization("new", EU + "\nprotect: false", restore=fleet.restorable("organization/new"))
    fleet.apply()
    fleet.converged()
    with west.superuser_connect(fleet.database("new")) as connection:
        assert connection.execute("SELECT email FROM donors").fetchall() == [("d@x.example",)]
    fleet.organization("new", EU + "\nprotect: false\nstate: deleted")
    fleet.apply("--allow-deletes", "1")
    fleet.settings(f"{fleet.spec}\nguard: {{ graceDays: 0 }}")
    fleet.apply("--allow-deletes", "1")
    fleet.converged()
    fleet.organization("new", EU)
    fleet.apply()
    assert on(fleet) == {"new": "primary"}


def test_a_server_that_is_down_holds_back_its_own(fleet: Fleet, west: TestServer) -> None:
    """What falls to it is not put elsewhere; the others are made."""
    fleet.organization("first", EU)
    fleet.apply()
    west.stop()
    fleet.organization("eu", EU)
    fleet.organization("us", "database: { mode: dedicated, server: { tags: { region: us } } }")
    plan = fleet.plan()
    assert {o["scope"] for o in plan["operations"]} - {"fleet"} == {"organization/us"}
    assert {"server/west", "organization/eu"} <= {u["address"] for u in plan["unreachable"]}
    fleet.apply(code=5)
    assert on(fleet) == {"first": "west", "us": "primary"}
    west.start()
    fleet.apply()
    fleet.converged()
    assert on(fleet) == {"first": "west", "us": "primary", "eu": "west"}


def test_where_every_server_is_named_nobody_is_asked(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet that leaves nothing open is planned without asking first where its databases are."""
    fleet.organization("named", "database: { mode: dedicated, server: primary }")
    monkeypatch.setenv("TENANTPLAN_MAIN_URL", "postgresql://tp_admin:some-password-77@127.0.0.1:1/postgres")
    found = settings.load(fleet.root / "tenantplan.yaml")
    with open_fleet(found) as opened:
        assert placed(opened, load_documents(opened)) == {}
    fleet.document("Tier", "pro", f"displayName: Pro\ndefaults: {{ {AUTO} }}")
    with pytest.raises(ConnectError), open_fleet(found) as opened:
        placed(opened, load_documents(opened))


def test_mistakes_stand_where_they_were_made(fleet: Fleet) -> None:
    """An error names file and line, and what there is."""
    fleet.organization("acme", EU)
    said = fleet.run("validate", code=1).err
    assert "tenants/organization-acme.yaml:6:" in said and "there is no server with the tags region: eu" in said
    assert "primary (weight 1)" in said
    offer(fleet, auto="weight: 1")
    assert "tenantplan.yaml:" in (said := fleet.run("validate", code=1).err) and "cannot be called auto" in said
    offer(fleet, primary="weight: -1")
    assert "tenantplan.yaml:" in (said := fleet.run("validate", code=1).err) and "greater than or equal to 0" in said
