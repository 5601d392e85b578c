"""Rehearses pending migrations: each path in a copy of the template it starts from, up and down.

The copies are called tp_new_doctor_… and are gone afterwards. One that a killed doctor left is dropped by the next.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tenantplan.commands.status.fleet_view import FleetView
from tenantplan.ddl.statements import copied, migrated_by_owner, opened
from tenantplan.errors import TenantplanError
from tenantplan.interruptible import interruptible
from tenantplan.migration.authoring.scratch import migrator
from tenantplan.migration.compile.compile import downgrade
from tenantplan.migration.running.steps import Migrator
from tenantplan.migration.running.target import MigrationTarget, Version
from tenantplan.migration.running.template import measured
from tenantplan.migration.running.workers import Programs
from tenantplan.model import stamp
from tenantplan.model.address import MAIN
from tenantplan.model.check import Check, passed
from tenantplan.model.step import Step
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.databases import drop_database, temporary_databases
from tenantplan.postgres.guard import may_be_owner
from tenantplan.postgres.run_sessions import end_sessions, tag

PREFIX = f"{stamp.NEW}doctor_"
NAME = "rehearsal"


@dataclass(frozen=True)
class Path:
    """A path that databases of a server will take: where it starts, and whether it is the main database's."""

    server: str
    start: str | None
    main: bool = False


def pending(scene: FleetView) -> list[Path]:
    """Every path that an apply would run; before the first one, that of the main and of a new database."""
    schemas, graph = list(scene.schemas.values()), scene.trees.tenant
    found = {
        Path(s.server if s.server in scene.servers.usable else MAIN, s.revision)
        for s in schemas
        if s.tree == "tenant" and s.revision != graph.head and s.halfway is None and graph.knows(s.revision)
    }
    in_main = [s for s in schemas if s.tree in ("main", "shared")]
    if not scene.applied:
        found |= {Path(MAIN, None)}
    if not scene.applied or any(s.revision != scene.trees.of(s.tree).head for s in in_main):
        found |= {Path(MAIN, None, main=True)}
    return sorted(found, key=lambda path: (path.server, path.main, path.start or ""))


def rehearse(scene: FleetView, paths: Sequence[Path]) -> Iterator[Check]:
    """Runs each path in a database of its own; a line for each, as soon as it is known."""
    for path in paths:
        subject = "main" if path.main else f"server {path.server}"
        started = time.monotonic()
        try:
            said = _run(scene, path)
        except psycopg.Error as error:
            yield Check(subject, NAME, "fail", f"{_describe(scene, path)} fails: {describe(error)}", _ADVICE)
        except TenantplanError as error:
            yield Check(
                subject, NAME, "fail", f"{_describe(scene, path)} fails: {error.message}", error.hint or _ADVICE
            )
        else:
            yield passed(subject, NAME, f"{_describe(scene, path)} works{said}, in {time.monotonic() - started:.1f} s")


_ADVICE = "fix the revision before it is applied; there are no rows here to fail on"


def _describe(scene: FleetView, path: Path) -> str:
    if path.main:
        return "the main database's migrations, from the beginning,"
    return f"{path.start or 'base'} -> {scene.trees.tenant.head or 'base'}"


def _run(scene: FleetView, path: Path) -> str:
    """Tries one path; what else there is to say of it."""
    with ExitStack() as stack:
        programs = stack.enter_context(Programs())
        connector, name, cloned = stack.enter_context(_copy(scene, path))
        run = migrator(scene.settings, scene.trees, programs)
        if path.main:
            for tree in ("main", "shared") if scene.trees.shares else ("main",):
                run.run(MigrationTarget(connector, MAIN, name, tree), scene.trees.upgrade(tree, None), Version())
            return " in an empty database"
        start = path.start if cloned else None
        place = MigrationTarget(connector, path.server, name, "tenant")
        run.run(place, scene.trees.upgrade("tenant", start), Version(start))
        where = " on a copy of its template" if cloned else " in an empty database"
        return where + _and_back(scene, path, run, place)


def _and_back(scene: FleetView, path: Path, run: Migrator, place: MigrationTarget) -> str:
    graph = scene.trees.tenant
    if path.start is None or not all(r.reversible for r in graph.path(path.start, graph.head)):
        return ""
    back: Sequence[Step] = downgrade(graph, graph.head, path.start)
    run.run(place, back, Version(graph.head))
    return " and back"


@contextmanager
def _copy(scene: FleetView, path: Path) -> Iterator[tuple[Connector, str, bool]]:
    """A database for one path, with a connector whose sessions carry its name; and whether it began as a template's copy.

    A session stays as long as it is needed, so that who finds the database knows that it is in use.
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    connector = scene.fleet.another_connector(tag(name))
    with interruptible() as undisturbed:
        try:
            with connector.connect(path.server) as guard:
                template = None if path.main else _template(scene, connector, path)
                guard.execute(copied(sql.Identifier(name), measured(guard, template)))
                guard.execute(opened(name))
                if template and may_be_owner(guard):  # a database's rights are not cloned
                    guard.execute(migrated_by_owner(name))
                yield connector, name, template is not None
        finally:
            undisturbed()
            end_sessions(connector, [path.server], [name])
            with connector.connect(path.server) as outside:
                drop_database(outside, name)


def _template(scene: FleetView, connector: Connector, path: Path) -> str | None:
    """The ready template of this fleet at a revision; none when nobody has one any more."""
    fleet = (scene.settings.fleet, scene.main_database)
    with connector.connect(path.server, read_only=True) as connection:
        for name, comment, _ in temporary_databases(connection):
            facts = stamp.decode(comment)
            ours = (facts.get("fleet"), facts.get("main")) == fleet
            if ours and facts.get("ready") == "1" and facts.get("revision") == path.start:
                return str(name)
    return None


def collect(scene: FleetView) -> list[str]:
    """Drops what killed doctors left; the names of the databases."""
    dropped: list[str] = []
    for alias in scene.live.servers:
        with scene.connector.connect(alias) as connection:
            for name, _, used in temporary_databases(connection):
                if name.startswith(PREFIX) and not used:
                    drop_database(connection, name)
                    dropped.append(name)
    return dropped
