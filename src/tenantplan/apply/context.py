"""What every step of a run needs to know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from tenantplan.secrets.storage import Around
from tenantplan.settings.targets import TargetSpec
from tenantplan.stores import Store


@dataclass(frozen=True)
class Run:
    """One apply: where it works, for whom, and what it may assume.

    `ids` maps addresses of rows to their ids and grows as rows are made. `versions` are server_version_num by server.
    `template` returns the template database to clone on a server. `tables` are the tables it may write to,
    `vault` encrypts credentials (None: no key is set), `open_store` opens the store of update packages by a session on
    the main database, or the one they were in before, by its URL. `migrator` runs the steps of migrations (None: this
    run makes none), `fingerprint` tells what a schema is. `sealed` holds what was encrypted and is not yet recorded.
    `undoes` maps operations that take something back to those that did it.
    `try_connection` connects to the database behind a reference that an organization brings, and raises when it does not fit.
    `targets` are where generated passwords go, `hidden` the variables that programs which get one do not see, and `issued`
    the passwords on their way, by the address of their role; `made` the generated secrets of rows, by table, id and column.
    `lives` says how often a row was made at an address before, so that whoever takes a name later gets an id of its own.
    `around` is what secrets are judged by. `now` is the time on the main server.
    `holding` keeps writers out of databases that operations leave, `check_shared` out of the shared tables in the current
    transaction of the main database; both raise Stale where rows would be left behind.
    `creations` bounds how many databases are copied at once on a server: more of them only stand in each other's way.
    """

    author: Author
    main_database: str
    root: Path
    connector: Connector
    hash_key: str
    role: str
    ids: dict[str, str]
    versions: Mapping[str, int]
    template: Callable[[str], Template]
    tables: Tables
    open_store: Callable[[Connection, str | None], Store]
    migrator: Migrator | None = None
    fingerprint: Callable[[Connection], str] = lambda connection: ""
    vault: Vault | None = None
    sealed: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)
    catalog_locks: Mapping[str, threading.Lock] = field(default_factory=dict)
    undoes: dict[str, str] = field(default_factory=dict)
    creations: Mapping[str, threading.Semaphore] = field(default_factory=dict)
    lives: Mapping[str, int] = field(default_factory=dict)
    try_connection: Callable[[str, str], None] = lambda holder, reference: None
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)
    hidden: Collection[str] = ()
    around: Around = field(default_factory=Around)
    issued: dict[str, Any] = field(default_factory=dict)
    made: dict[tuple[str, str, str], str] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    holding: Callable[[Sequence[Operation]], AbstractContextManager[None]] = lambda segment: nullcontext()
    check_shared: Callable[[Connection, Sequence[Operation]], None] = lambda main, segment: None

    def comment(self, **facts: str | None) -> str:
        """A stamp of this fleet with further facts."""
        fleet = self.author.fleet
        identity = {"fleet": fleet, "main": self.main_database, "id": fleet_id(self.hash_key, fleet)}
        return stamp.encode({**identity, **facts})

    def close(self, main: Connection, operations: Sequence[Operation], *, connected: bool = False) -> None:
        """Closes the journal of operations that are done, and audits them, in the current transaction of the main database."""
        record.done(self.author, main, operations, connected=connected, undoes=self.undoes, digests=self.digests)
