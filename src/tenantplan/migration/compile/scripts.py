"""The parts of a path through a tree of SQL scripts, as Prisma and TypeORM write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.compile import queries
from tenantplan.migration.compile.assemble import Entry, Part
from tenantplan.migration.tree import prisma_files, typeorm_files
from tenantplan.migration.tree.graph import PRISMA, Graph
from tenantplan.migration.tree.prisma_files import PrismaMigration
from tenantplan.migration.tree.refusals import Refusals
from tenantplan.migration.tree.revision import Revision
from tenantplan.migration.tree.typeorm_files import TypeormMigration


@dataclass(frozen=True, slots=True)
class _Direction:
    """One way through a migration: `entries` None where it is not written, `write` how to write it; `version` is the statement
    that notes it."""

    entries: Callable[[], list[Entry]] | None
    version: str
    write: str


def table(graph: Graph) -> str:
    """The statement that makes the version table, where there is none."""
    return prisma_files.table() if graph.engine == PRISMA else typeorm_files.table()


def parts(graph: Graph, path: Sequence[Revision], start: str | None, up: bool) -> list[Part]:
    """One part for each revision on the way. MigrationError names a script that cannot be used."""
    digests, known = _directions(graph, up)
    found: list[Part] = []
    refusals = Refusals()
    at = start
    for revision in path:
        at = graph.after(at, revision) if up else graph.before(at, revision)
        with refusals.of_one():
            found.append(_part(revision, known[revision.id], digests[revision.id], at, up))
    refusals.tell()
    return found


def _part(revision: Revision, direction: _Direction, digest: str, position: str | None, up: bool) -> Part:
    if digest != revision.digest:
        raise MigrationError(
            "the file changed while it was being used", where=str(revision.path), hint="run the command again"
        )
    if direction.entries is None:
        raise MigrationError(
            f"there is no way back from {revision.id}", where=str(revision.path.parent), hint=direction.write
        )
    checks = revision.preflight if up else ()
    return Part(revision, position, direction.entries(), [direction.version], up, checks=checks)


def is_idle(graph: Graph, revision: Revision, up: bool) -> bool:
    """Whether a direction of a revision has no statement."""
    entries = _directions(graph, up)[1][revision.id].entries
    return not entries or not entries()


def _directions(graph: Graph, up: bool) -> tuple[Mapping[str, str], Mapping[str, _Direction]]:
    """The digest of each migration's file as it is now, and its direction."""
    if graph.engine == PRISMA:
        prisma = prisma_files.load(graph.directory)
        return {each.name: each.checksum for each in prisma}, {each.name: _prisma(each, up) for each in prisma}
    typeorm = typeorm_files.load(graph.directory)
    first = typeorm_files.before(typeorm) if up else {}
    directions = {each.name: _typeorm(each, up, first.get(each.name, ())) for each in typeorm}
    return {each.name: each.digest for each in typeorm}, directions


def _prisma(migration: PrismaMigration, up: bool) -> _Direction:
    script = migration.script if up else migration.down
    version = prisma_files.record(migration) if up else prisma_files.forget(migration.name)
    write = "write down.sql beside migration.sql, or a new migration that takes it back"
    return _Direction(None if script is None else partial(_script, migration.path, script), version, write)


def _typeorm(migration: TypeormMigration, up: bool, first: Sequence[str]) -> _Direction:
    sent = migration.up if up else migration.down
    version = typeorm_files.record(migration) if up else typeorm_files.forget(migration)
    stem = migration.path.name.rpartition(".")[0]
    write = f"write {stem}.down.sql" if migration.transaction is None else "write its down()"
    made = None if sent is None else partial(queries.entries, migration.path, sent, migration.transaction, first)
    return _Direction(made, version, f"{write}, or a new migration that takes it back")


def _script(path: Path, script: str) -> list[Entry]:
    """The statements of a script. Prisma sends it as one query, of which PostgreSQL makes one transaction, or several where it says
    COMMIT: BEGIN takes in what stands before it, and what follows a COMMIT is a transaction again. One that PostgreSQL allows only
    outside a transaction has to be alone in its script."""
    listed = queries.statements(str(path), script)
    entries: list[Entry] = []
    anew = False
    for statement in listed:
        control = sqltext.transaction_control(statement)
        if control in ("BEGIN", "START TRANSACTION", "COMMIT"):
            anew = anew or (control == "COMMIT" and bool(entries))
            level = sqltext.isolation_level(statement)
            if not level:
                continue
            statement = f"SET TRANSACTION ISOLATION LEVEL {level.upper()}"
        elif control:
            raise queries.undone(str(path), control)
        if sqltext.outside(statement) and len(listed) > 1:
            raise MigrationError(
                "a statement that PostgreSQL allows only outside a transaction stands beside others",
                where=str(path),
                hint="give it a migration of its own",
            )
        entries.append(Entry(statement, sqltext.outside(statement), anew))
        anew = False
    return entries
