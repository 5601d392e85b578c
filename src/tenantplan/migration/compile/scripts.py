"""The parts of a path through a tree of SQL scripts, as Prisma writes them."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.compile.assemble import Entry, Part
from tenantplan.migration.tree import prisma_files
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.revision import Revision


def parts(graph: Graph, path: Sequence[Revision], start: str | None, up: bool) -> list[Part]:
    """One part for each revision on the way. MigrationError names a script that cannot be used."""
    known = {migration.name: migration for migration in prisma_files.load(graph.directory)}
    found: list[Part] = []
    at = start
    for revision in path:
        migration = known[revision.id]
        if migration.checksum != revision.digest:
            raise MigrationError(
                "the file changed while it was being used", where=str(revision.path), hint="run the command again"
            )
        script = migration.script if up else migration.down
        if script is None:
            raise MigrationError(
                f"there is no way back from {revision.id}",
                where=str(revision.path.parent),
                hint="write down.sql beside migration.sql, or a new migration that takes it back",
            )
        at = graph.after(at, revision) if up else graph.before(at, revision)
        version = prisma_files.record(migration) if up else prisma_files.forget(migration.name)
        checks = revision.preflight if up else ()
        found.append(Part(revision, at, _entries(revision, script), [version], up, checks=checks))
    return found


def _entries(revision: Revision, script: str) -> list[Entry]:
    """The statements of a script. Prisma sends it as one query, of which PostgreSQL makes one transaction, or several where it says
    COMMIT: BEGIN takes in what stands before it, and what follows a COMMIT is a transaction again. One that PostgreSQL allows only
    outside a transaction has to be alone in its script."""
    try:
        listed = sqltext.split(script)
    except ValueError as error:
        raise MigrationError(f"PostgreSQL's parser refuses it: {error}", where=str(revision.path)) from error
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
            message = f"ends its transaction with {control}, so that nothing of it would be done"
            raise MigrationError(message, where=str(revision.path), hint="take the statements out that are undone")
        if sqltext.outside(statement) and len(listed) > 1:
            raise MigrationError(
                "a statement that PostgreSQL allows only outside a transaction stands beside others",
                where=str(revision.path),
                hint="give it a migration of its own",
            )
        entries.append(Entry(statement, sqltext.outside(statement), anew))
        anew = False
    return entries
