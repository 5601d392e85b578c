"""The opened fleet: its servers, migrations, connections and secrets, each found once, when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tenantplan.fleet.servers import Servers, fleet_servers
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.url import Server
from tenantplan.secrets.references import Secrets
from tenantplan.settings.settings import Settings

if TYPE_CHECKING:
    from tenantplan.migration.trees import Trees
    from tenantplan.secrets.box import Vault

TAG = "tenantplan"


@dataclass(eq=False)
class Fleet:
    """A fleet as one run of one command works on it. `tag` names its sessions, `patient` is that of Connector.

    Nothing is read and nothing is connected to before it is needed, so that mistakes are reported in the order in which a
    command comes to them.
    """

    settings: Settings
    tag: str = TAG
    patient: bool = False
    secrets: Secrets = field(init=False, repr=False)
    _main: Connection | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.secrets = Secrets(self.settings.root)

    @cached_property
    def servers(self) -> Servers:
        """The servers, their references resolved; SettingsError when the main one cannot be used."""
        return fleet_servers(self.settings, self.secrets)

    @cached_property
    def vault(self) -> Vault | None:
        """What encrypts credentials; None while its key is not set. SettingsError for a key that cannot be used."""
        from tenantplan.secrets.fleet_keys import fleet_vault  # what encrypts nothing starts without it

        return fleet_vault(self.settings, self.secrets)

    @property
    def main_server(self) -> Server:
        """The server of the main database."""
        return self.servers.usable[MAIN]

    @property
    def main_database(self) -> str:
        """The name of the main database."""
        return self.settings.spec.main.database

    @cached_property
    def trees(self) -> Trees:
        """Both migration trees; MigrationError when one cannot be used."""
        from tenantplan.migration.trees import load_trees  # what needs no migrations starts without it

        return load_trees(self.settings)

    @cached_property
    def connector(self) -> Connector:
        """What opens the command's connections, within the budget of the fleet file."""
        return self.another_connector(self.tag)

    def another_connector(self, tag: str = TAG) -> Connector:
        """A Connector with a budget of its own: for sessions that are found by their own `tag`, or that must not wait for those
        of `connector` to end."""
        return Connector(self.servers.usable, self.settings.spec.max_connections, tag=tag, patient=self.patient)

    @contextmanager
    def main(self) -> Iterator[Connection]:
        """A read-only session on the main database: the one that is open already, where there is one.

        For the thread that runs the command, in blocks that are short: it takes part of the budget while it is open, and a session
        that does nothing for long may be ended. Raises ConnectError.
        """
        if self._main is not None:
            yield self._main
            return
        with self.connector.connect(MAIN, self.main_database, read_only=True) as connection:
            self._main = connection
            try:
                yield connection
            finally:
                self._main = None


class OfFleet:
    """What works on an opened `fleet`, and is asked for the fleet's own parts."""

    fleet: Fleet

    @property
    def settings(self) -> Settings:
        """The fleet's."""
        return self.fleet.settings

    @property
    def trees(self) -> Trees:
        """The fleet's."""
        return self.fleet.trees

    @property
    def servers(self) -> Servers:
        """The fleet's."""
        return self.fleet.servers

    @property
    def connector(self) -> Connector:
        """The fleet's."""
        return self.fleet.connector

    @property
    def main_database(self) -> str:
        """The name of the main database."""
        return self.fleet.main_database


@contextmanager
def open_fleet(settings: Settings, *, tag: str = TAG, patient: bool = False) -> Iterator[Fleet]:
    """The fleet of a fleet file, for one run of one command: at its end the values of secrets are forgotten."""
    fleet = Fleet(settings, tag, patient)
    try:
        yield fleet
    finally:
        fleet.secrets.forget()


def lone_connector(server: Server, total: int, tag: str = TAG) -> Connector:
    """A Connector to one server that need not be a fleet's: a connection string that somebody tries."""
    return Connector({server.alias: server}, total, tag=tag)
