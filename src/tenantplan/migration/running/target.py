"""The database that steps of a migration run in, and what it is at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import sql

from tenantplan.model.address import is_brought
from tenantplan.model.step import Step
from tenantplan.postgres.connect import Connection, Connector


@dataclass(frozen=True, slots=True)
class Version:
    """What a database is at: its revision, None when nothing was applied, and the mark of a migration that stopped halfway."""

    revision: str | None = None
    mark: str | None = None

    @property
    def text(self) -> str:
        """For messages."""
        return (self.revision or "none") + (f" and halfway further ({self.mark})" if self.mark else "")


@dataclass(frozen=True)
class MigrationTarget:
    """A database that steps run in: `database` None is the one that the server's connection string names. `stamp` gives the
    statements that write down what it is at after a step, of its name, its stamp and the step."""

    connector: Connector
    server: str
    database: str | None
    tree: str
    stamp: Callable[[str, str | None, Step], list[sql.Composed]] = lambda name, comment, step: []

    @property
    def label(self) -> str:
        """What a message calls the database."""
        return f"database {self.database or self.server}"

    @property
    def trusting(self) -> bool:
        """Whether code in it is not tenantplan's to judge: the main database, and those that organizations brought."""
        return self.tree != "tenant" or is_brought(self.server)


@dataclass(frozen=True)
class MigrationSession:
    """A connection to a place."""

    connection: Connection
    place: MigrationTarget

    @property
    def label(self) -> str:
        """What a message calls the database."""
        return f"database {self.connection.info.dbname}"
