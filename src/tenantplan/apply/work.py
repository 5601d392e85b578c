"""The input of one apply: the plan, the fleet it is for, and the connections to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial

import psycopg

from tenantplan.apply.context import Run, RunSecrets, RunServers
from tenantplan.apply.vacated import Vacated, places_left
from tenantplan.ddl.statements import Template
from tenantplan.desired.secrets import secret_context
from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet, OfFleet
from tenantplan.fleet.store import fleet_store
from tenantplan.journal import record
from tenantplan.journal.author import Author
from tenantplan.journal.facts import Fact
from tenantplan.journal.recover import Open
from tenantplan.live.brought import try_connection
from tenantplan.live.survey import SurveyRequest, survey
from tenantplan.migration.running.steps import Migrator
from tenantplan.migration.running.template import Recipe, build, clear_unfinished, ensure_template
from tenantplan.migration.running.workers import Programs
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN, is_brought
from tenantplan.model.audit import Actor
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.resource import GROUPS, Package, Row, Schema, State, afters, befores
from tenantplan.model.rowtype import Tables
from tenantplan.model.step import Step
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.schema import fingerprint as fingerprints
from tenantplan.secrets.keyed import fleet_id
from tenantplan.settings.settings import Settings
from tenantplan.tables import BUILTIN

# Databases copied at once on a server: on 2 cores 2 keep both busy, a third while one waits for the disk; 8 were slower.
CREATIONS = 3


@dataclass(frozen=True)
class Work(OfFleet):
    """One apply before it holds the lock: nothing here has written anything. `check` refuses the plan while the lock is held,
    unless it has passed that before, and adds to `attempts` what could not be connected to meanwhile."""

    fleet: Fleet
    plan: Plan
    actor: Actor
    run_id: str
    programs: Programs
    check: Check | None = None
    notes: list[Finding] = field(default_factory=list)
    attempts: list[Finding] = field(default_factory=list)

    @property
    def managed_servers(self) -> list[str]:
        """Aliases of the fleet's servers, without databases that organizations brought."""
        return [alias for alias in self.connector.servers if not is_brought(alias)]

    def read_live(self, opened: Sequence[Open] = ()) -> Survey:
        """The live state that this plan, and what an interrupted run left open, are about."""
        names = {a for o in self.plan.operations for a in (o.address, o.renamed_from) if a}
        names |= {a for o in opened for a in (o.address, o.renamed_from) if a}
        rows = {o.address: row for o, row in afters(self.plan.operations, Row)}
        brought = {a: str(r.values["database_url"]) for a, r in rows.items() if r.values.get("database_url")}
        stored = {o.address for o, _ in afters(self.plan.operations, Package)}
        asked: State = {**self.plan.unmanaged, **rows}
        question = SurveyRequest(names, asked, brought, follow=True, packages=stored, tables=self.tables)
        return survey(self.fleet, question)

    @cached_property
    def tables(self) -> Tables:
        """Every table the plan may be about: tenantplan's own, and those of kinds that the fleet declares."""
        return BUILTIN | {rowtype.table: rowtype for rowtype in self.plan.kinds}

    @cached_property
    def migrator(self) -> Migrator:
        """What runs the steps of migrations."""
        pace = self.settings.spec.rollout
        return Migrator(
            self.trees.versions,
            self.programs,
            self.trees.files,
            self.trees.digests,
            GROUPS,
            round(pace.lock_timeout_seconds * 1000),
            pace.statement_timeout_seconds * 1000,
            self.settings.root,
        )

    def author(self, epoch: int) -> Author:
        """Who writes the journal of this run, under an epoch of the lease."""
        return Author(self.run_id, self.settings.fleet, self.actor, epoch, self.plan.digest, self.plan.seal)

    def run(self, live: Survey, epoch: int) -> Run:
        """The run, as its steps see it."""
        recipe = self._recipe(live)
        vacated = Vacated(self.settings, self.connector, places_left(self.plan, live.state))
        servers = RunServers(
            versions={alias: facts.version_num for alias, facts in live.servers.items()},
            template=Templates(
                self.connector,
                recipe,
                lambda *found: self._set_aside(run, *found),
                lambda alias: self._clear_template(run, live, alias),
            ),
            build=lambda alias, name: build(self.connector, alias, name, recipe),
            catalog_locks={alias: threading.Lock() for alias in self.connector.servers},
            creations={alias: threading.Semaphore(CREATIONS) for alias in self.connector.servers},
        )
        secrets = RunSecrets(
            vault=self.fleet.vault,
            hash_key=live.main.hash_key or "",
            context=secret_context(self.settings),
            targets=self.settings.spec.credentials.targets,
            hidden=hidden_variables(self.settings),
        )
        run = Run(
            author=self.author(epoch),
            main_database=self.main_database,
            root=self.settings.root,
            connector=self.connector,
            servers=servers,
            secrets=secrets,
            tables=self.tables,
            ids={addresses.renamed(a, self.plan.renames): row_id for a, row_id in live.main.ids.items()},
            open_store=partial(fleet_store, self.fleet),
            migrator=self.migrator,
            fingerprint=fingerprints.fingerprint,
            digests=self.trees.digests,
            try_connection=partial(try_connection, self.fleet),
            now=lambda: live.now,
            holding=vacated.holding,
            check_shared=vacated.check_shared,
        )
        return run

    def clear_templates(self, live: Survey, control: Connection) -> None:
        """Drops what interrupted runs left of templates; what cannot be dropped doctor names. `control` is a session on the main
        server, so that none more is opened there."""
        recipe = self._recipe(live)
        for alias in live.servers:
            with suppress(psycopg.Error, TenantplanError):
                there = nullcontext(control) if alias == MAIN else self.connector.connect(alias)
                with there as connection:
                    clear_unfinished(connection, recipe)

    def _clear_template(self, run: Run, live: Survey, alias: str) -> None:
        """Drops a template that could not be built, unless another run has the fleet by now, and is building it."""
        with suppress(psycopg.Error, TenantplanError):
            with self.connector.connect(MAIN, self.main_database) as connection, connection.transaction():
                record.check_epoch(connection, run.author.epoch)
            with self.connector.connect(alias) as connection:
                clear_unfinished(connection, self._recipe(live))

    def _set_aside(self, run: Run, alias: str, name: str, reason: str) -> None:
        """Audits a template that was not what it was when it was built, and keeps a note for the report."""
        detail = f"changed since it was built, kept as {name}: {reason}"
        with self.connector.connect(MAIN, self.main_database) as connection, connection.transaction():
            record.check_epoch(connection, run.author.epoch)
            record.audit(run.author, connection, [Fact(f"template/{alias}/{name}", "set-aside", "done", detail=detail)])
        self.note(
            "template",
            f"a template on server {alias} had changed since it was built ({reason}): it is kept as {name}, and another was built."
            " Databases cloned from it may hold the same changes: tenantplan drift compares their schemas",
        )

    def note(self, rule: str, text: str) -> None:
        """Adds a note to the report."""
        self.notes.append(Finding("fleet", rule, text))

    def _recipe(self, live: Survey) -> Recipe:
        return Recipe(
            self.settings.fleet,
            self.main_database,
            fleet_id(live.main.hash_key, self.settings.fleet),
            self.trees.tenant.head or "none",
            self.trees.tenant.digest,
            partial(self.trees.upgrade, "tenant", None),
            self.migrator,
            fingerprints.objects,
            self._onward,
        )

    @cached_property
    def _onward(self) -> dict[str, tuple[Step, ...]]:
        """The planned steps of databases to the newest revision, by the one that they are at."""
        return {
            schema.revision: o.in_steps
            for o, schema in befores(self.plan.operations, Schema)
            if schema.tree == "tenant" and o.action == "migrate"
            if schema.revision and not schema.halfway and schema.revision == o.start
        }


# Called with the ids of operations that were checked before, and with those that are stale and why; returns what else of the
# plan must not run (operation id -> why).
Check = Callable[[Work, Collection[str], Mapping[str, str]], Mapping[str, str]]


def hidden_variables(settings: Settings) -> frozenset[str]:
    """Environment variables with secrets of the fleet: no program that it starts for somebody else gets to see them."""
    return frozenset(r.removeprefix("env:") for r in settings.own_references if r.startswith("env:"))


class Templates:
    """The template of each server, built when it is first needed; calling it with a server's alias returns it."""

    def __init__(
        self,
        connector: Connector,
        recipe: Recipe,
        on_aside: Callable[[str, str, str], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._connector = connector
        self._recipe = recipe
        self._on_aside = on_aside
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._ready: dict[str, Template | TenantplanError] = {}

    def __call__(self, alias: str) -> Template:
        """The ready template on a server; what kept it from being built is raised each time."""
        with self._lock:
            if alias not in self._ready:
                try:
                    self._ready[alias] = ensure_template(self._connector, alias, self._recipe, self._on_aside)
                except psycopg.Error as error:
                    found = TenantplanError(f"{_NO_TEMPLATE}: {describe(error)}", where=f"server {alias}")
                    found.__cause__ = error
                    self._ready[alias] = found
                except TenantplanError as error:
                    error.message = f"{_NO_TEMPLATE}: {error.message}"
                    self._ready[alias] = error
                if not isinstance(self._ready[alias], Template):
                    self._on_failure(alias)
            made = self._ready[alias]
        if not isinstance(made, Template):
            raise made
        return made


_NO_TEMPLATE = "the template for new databases cannot be built"
