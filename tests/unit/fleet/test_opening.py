"""An opened fleet finds each thing once, when it is first needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.errors import MigrationError, SettingsError
from tenantplan.fleet.opening import Fleet, lone_connector, open_fleet
from tenantplan.secrets.box import new_key
from tenantplan.settings.settings import Settings, load

URL = "postgresql://anna:of-nobody-else-77@localhost:1/postgres"
SPEC = "main: { url: { file: url } }, servers: { eu: { url: { file: eu } } }, credentials: { key: { file: key } }"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fleet on two servers, its connection strings and its key in files."""
    path = tmp_path / "tenantplan.yaml"
    path.write_text(f"apiVersion: tenantplan/v1\nkind: Fleet\nmetadata: {{ name: demo }}\nspec: {{ {SPEC} }}\n")
    (tmp_path / "url").write_text(URL)
    (tmp_path / "key").write_text(new_key())
    return load(path)


def test_what_changes_meanwhile_is_seen_as_it_was(settings: Settings) -> None:
    with open_fleet(settings) as fleet:
        vault = fleet.vault
        (settings.root / "key").write_text(new_key())
        (settings.root / "eu").write_text(URL)
        assert fleet.vault is vault and "eu" in fleet.servers.usable
        (settings.root / "url").write_text("none")
        assert fleet.main_server.params["user"] == "anna" and fleet.servers is fleet.servers
    with open_fleet(settings) as fleet, pytest.raises(SettingsError):
        _ = fleet.main_server


def test_nothing_is_read_before_it_is_needed(settings: Settings) -> None:
    (settings.root / "url").unlink()
    (settings.root / "key").unlink()
    with open_fleet(settings) as fleet:
        assert fleet.main_database == "tenantplan_main"
        with pytest.raises(MigrationError):
            _ = fleet.trees
        with pytest.raises(SettingsError):
            _ = fleet.connector


def test_a_connector_for_the_command_and_others_beside_it(settings: Settings) -> None:
    fleet = Fleet(settings, tag="tp:run")
    beside = fleet.another_connector("tp:copy")
    assert fleet.connector is fleet.connector and fleet.connector is not beside
    assert (fleet.connector.tag, beside.tag, fleet.another_connector().tag) == ("tp:run", "tp:copy", "tenantplan")
    assert set(fleet.connector.servers) == {"primary"}  # the other one has no connection string yet
    beside.add(fleet.main_server)
    with fleet.connector.slot("primary"), beside.slot("primary"):
        assert lone_connector(fleet.main_server, 1).servers == {"primary": fleet.main_server}


def test_it_shows_no_secret(settings: Settings) -> None:
    with open_fleet(settings) as fleet:
        assert fleet.main_server.params["password"] == "of-nobody-else-77" and fleet.vault
        assert "nobody" not in f"{fleet!r} {fleet.secrets!r}"
