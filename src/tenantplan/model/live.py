"""What was read of the live side: facts of servers, of the main database, and all of it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tenantplan import clock
from tenantplan.model.address import MAIN
from tenantplan.model.check import Check
from tenantplan.model.login import Issued
from tenantplan.model.plan import Finding
from tenantplan.model.resource import State
from tenantplan.model.rowtype import Relation, Tables


@dataclass(frozen=True)
class Gap:
    """Something by which rows of another organization could be read or written: `rule` "setting" is a policy that reads the
    setting itself, every other is a gap for whoever uses the tables."""

    rule: str
    thing: str
    message: str


@dataclass(frozen=True)
class Sharing:
    """`access` maps roles to what they may do ("write", "read", "pool", "bound"); other words say that they have not the
    rights for it. `bound` maps roles to the id of their organization."""

    access: Mapping[str, str] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class MainFacts:
    """What the main database holds.

    `state`: rows and packages by address; `ids`: address -> row id. `revisions` maps the trees "main" and "shared" to the
    applied revision, `marks` to what a migration left there that stopped halfway. `recorded` maps
    (tree, revision) to the digest of the file it was applied from. `hash_key` is the key
    of keyed hashes.
    `unfinished`: the newest run that was interrupted, `at_work` (id, what is known of it) the one that holds the fleet now: as
    long as there is one, nobody can say that another was interrupted. `tables`: those whose rows were read;
    `relations`: those of kinds that the fleet declares itself, as the database describes them, by schema.table. `left`: how
    many rows are still managed in a table that a kind stood for before, by "kind table". `issued`: passwords that tenantplan
    generated. `sharing`: who uses the shared tables. `foreign`: tenantplan was never applied here, and there are tables in public.
    """

    state: State = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, str | None] = field(default_factory=dict)
    marks: Mapping[str, str | None] = field(default_factory=dict)
    recorded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    hash_key: str | None = None
    unfinished: str | None = None
    at_work: tuple[str, str] | None = None
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    issued: tuple[Issued, ...] = ()
    sharing: Sharing = field(default_factory=Sharing)
    foreign: bool = False


@dataclass(frozen=True)
class ServerFacts:
    """What one server holds: its identity, and the resources a plan compares.

    `state` has databases, roles and schemas by address; `broken` maps the addresses of databases that nobody can use to
    the reason; `names` are all database names seen, `version` and `version_num` are PostgreSQL's. `main_fleet` is the fleet
    that the stamp of the main database names. `skew` is how far its clock is ahead of this machine's. `host` and `port`
    are those of the session that read this, whatever they were taken from.
    """

    system_identifier: str
    version: str
    version_num: int
    role: str
    createdb: bool
    createrole: bool
    state: State = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    main_fleet: str | None = None
    skew: timedelta = timedelta()
    host: str = ""
    port: int = 0


@dataclass(frozen=True)
class Survey:
    """What is there. `state` is live State over all servers; `unplannable` maps addresses of organizations and tenants that
    cannot be planned, because their server or database is out of reach, to the reason. `unfit`: what the tests of databases
    that organizations brought found, by organization. `attempts`: connections to servers and to such databases that failed."""

    state: State
    main: MainFacts
    servers: Mapping[str, ServerFacts]
    unplannable: Mapping[str, str] = field(default_factory=dict)
    unreachable: tuple[Finding, ...] = ()
    unfit: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    attempts: tuple[Finding, ...] = ()

    @property
    def skew(self) -> timedelta:
        """How far the main server's clock is ahead of this machine's."""
        return self.servers[MAIN].skew

    @property
    def now(self) -> datetime:
        """The time on the main server: what its rows and stamps say is compared with nothing else."""
        return clock.machine_time() + self.skew
