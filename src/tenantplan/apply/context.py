"""What every step of a run needs to know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tenantplan.ddl.statements import Template
from tenantplan.journal import record
from tenantplan.journal.author import Author
from tenantplan.migration.running.steps import Migrator
from tenantplan.model import stamp
from tenantplan.model.operation import Operation
from tenantplan.model.rowtype import Tables
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.secrets.box import Vault
from tenantplan.secrets.keyed import fleet_id
from tenantplan.secrets.storage import SecretContext
from tenantplan.settings.targets import TargetSpec
from tenantplan.stores import Store


@dataclass(frozen=True)
class RunServers:
    """The servers as a run needs them: `versions` are server_version_num by alias, `template` returns the template database to
    clone on a server. `catalog_locks` serialise changes of a server's shared catalogs; `creations` bounds how many databases are
    copied at once on it: more of them only stand in each other's way. `build` makes a database of a name on a server by running the
    migrations in it, where it is to be no copy."""

    versions: Mapping[str, int]
    template: Callable[[str], Template]
    build: Callable[[str, str], None]
    catalog_locks: Mapping[str, threading.Lock]
    creations: Mapping[str, threading.Semaphore]


@dataclass(frozen=True)
class RunSecrets:
    """What a run needs to handle secrets: `vault` encrypts them (None: no key is set), `hash_key` is the key of keyed hashes,
    `context` is what they are judged by.

    `targets` are where generated passwords go, `hidden` the variables that programs which get one do not see. `issued` holds the
    passwords on their way, by the address of their role, `made` the generated secrets of rows, by table, id and column, and
    `sealed` what was encrypted and is not yet recorded.
    """

    vault: Vault | None
    hash_key: str
    context: SecretContext
    targets: Mapping[str, TargetSpec]
    hidden: Collection[str]
    issued: dict[str, Any] = field(default_factory=dict)
    made: dict[tuple[str, str, str], str] = field(default_factory=dict)
    sealed: dict[tuple[str, str, str], bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One apply: who writes, where it works, and what it may assume.

    `tables` are the tables it may write to. `ids` maps addresses of rows to their ids and grows as rows are made; `lives` says how
    often a row was made at an address before, so that whoever takes a name later gets an id of its own. `open_store` opens the
    store of update packages by a session on the main database, or the one they were in before, by its URL. `migrator` runs the
    steps of migrations, `fingerprint` tells what a schema is, `digests` maps (tree, revision) to the digest of its file.
    `undoes` maps operations that take something back to those that did it. `try_connection` connects to the database behind a
    reference that an organization brings, and raises when it does not fit. `now` is the time on the main server. `holding` keeps
    writers out of databases that operations leave, `check_shared` out of the shared tables in the current transaction of the main
    database; both raise Stale where rows would be left behind.
    """

    author: Author
    main_database: str
    root: Path
    connector: Connector
    servers: RunServers
    secrets: RunSecrets
    tables: Tables
    ids: dict[str, str]
    open_store: Callable[[Connection, str | None], Store]
    migrator: Migrator
    fingerprint: Callable[[Connection], str]
    digests: Mapping[tuple[str, str], str]
    try_connection: Callable[[str, str], None]
    now: Callable[[], datetime]
    holding: Callable[[Sequence[Operation]], AbstractContextManager[None]]
    check_shared: Callable[[Connection, Sequence[Operation]], None]
    lives: Mapping[str, int] = field(default_factory=dict)
    undoes: dict[str, str] = field(default_factory=dict)

    def comment(self, **facts: str | None) -> str:
        """A stamp of this fleet with further facts."""
        fleet = self.author.fleet
        identity = {"fleet": fleet, "main": self.main_database, "id": fleet_id(self.secrets.hash_key, fleet)}
        return stamp.encode({**identity, **facts})

    def close(self, main: Connection, operations: Sequence[Operation], *, connected: bool = False) -> None:
        """Closes the journal of operations that are done, and audits them, in the current transaction of the main database."""
        record.done(self.author, main, operations, connected=connected, undoes=self.undoes, digests=self.digests)
