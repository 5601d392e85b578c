"""A Prisma migrations directory, and the table in which Prisma notes what it has applied.

Facts are those of Prisma 6 and 7 (schema-engine: checksum.rs, sql_migration_persistence.rs, apply_migrations.rs; CLI:
listMigrations.ts). `prisma migrate deploy` can take over after these statements, and they after it. Where Prisma goes
on in silence (an edited migration, a gap, one that the directory lacks), the directory does not say what the database
has, and is refused here.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import script_file
from tenantplan.migration.tree.refusals import Refusals

VERSION_TABLE = "_prisma_migrations"
READ = """\
SELECT pg_catalog.left(migration_name::text, 255), pg_catalog.left(checksum::text, 64),
       started_at, finished_at, rolled_back_at, applied_steps_count
FROM public._prisma_migrations ORDER BY started_at LIMIT 20000"""

_TABLE = """\
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)"""
_LOCK = "migration_lock.toml"
_SCRIPT = "migration.sql"
_PROVIDERS = ("postgresql", "cockroachdb")
# ASCII in the order of JavaScript's localeCompare (the root collation of Unicode's CLDR).
_COLLATION = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH = 64


@dataclass(frozen=True, slots=True)
class PrismaMigration:
    """One directory: its name, its migration.sql (`path`, `script` and the SHA-256 that Prisma notes, in hex).

    `preflight` are the statements of preflight.sql and `down` is the text of down.sql, where they are beside it.
    """

    name: str
    path: Path
    checksum: str
    script: str
    preflight: tuple[str, ...] = ()
    down: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One attempt to apply a migration, as READ fetches it; `steps` is 0 when `migrate resolve` said it was applied."""

    name: str
    checksum: str
    started: datetime
    finished: datetime | None
    rolled_back: datetime | None
    steps: int


def is_tree(directory: Path) -> bool:
    """Whether a directory is one of Prisma's: it has a lock file or a migration."""
    return (directory / _LOCK).is_file() or any(directory.glob(f"*/{_SCRIPT}"))


def load(directory: Path) -> list[PrismaMigration]:
    """The migrations in the order in which Prisma applies them; MigrationError, with the path, for what it refuses."""
    _refuse_provider(directory / _LOCK)
    try:
        found = [each for each in directory.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError as error:
        raise MigrationError(f"cannot be read: {error.strerror}", where=str(directory)) from error
    migrations: list[PrismaMigration] = []
    refusals = Refusals()
    for each in sorted(found):
        with refusals.of_one():
            migrations.append(_read(each))
    refusals.tell()
    return sorted(migrations, key=lambda migration: _order(migration.name))


def table() -> str:
    """The statement that makes Prisma's table, as Prisma makes it, where there is none."""
    return _TABLE


def record(migration: PrismaMigration) -> str:
    """The statement that notes a migration as applied; for the transaction of its script, the same for all databases.

    The time is the statement's, so that migrations of one transaction stay in order.
    """
    return (
        sql.SQL(
            "INSERT INTO public._prisma_migrations"
            " (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at, applied_steps_count)"
            " VALUES (gen_random_uuid()::text, {}, statement_timestamp(), {}, NULL, NULL, statement_timestamp(), 1)"
        )
        .format(sql.Literal(migration.checksum), sql.Literal(migration.name))
        .as_string()
    )


def forget(name: str) -> str:
    """The statement that takes back what `record` noted."""
    statement = sql.SQL("DELETE FROM public._prisma_migrations WHERE migration_name = {}")
    return statement.format(sql.Literal(name)).as_string()


def position(rows: Iterable[Sequence[Any]], migrations: Sequence[PrismaMigration]) -> str | None:
    """The last migration that a database has, None when it has none; `rows` are what READ fetches.

    MigrationError, with Prisma's own way out, when the database does not have the first migrations of the directory,
    finished and as they stand there. What was rolled back, or squashed into the first migration, does not count.
    """
    tried = [row for row in (_Row(*row) for row in rows) if row.rolled_back is None]
    _refuse_failed(tried)
    finished = {row.name: row for row in tried}
    _refuse_unknown(finished, migrations)
    applied = [migration for migration in migrations if migration.name in finished]
    for migration in applied:
        if not matches(migration, finished[migration.name].checksum):
            raise MigrationError(
                f"migration {migration.name} was edited after it was applied",
                where=str(migration.path),
                hint="restore the file, and put the change into a new migration (`prisma migrate dev` would ask to reset)",
            )
    _refuse_gap(applied, migrations)
    return applied[-1].name if applied else None


def matches(migration: PrismaMigration, checksum: str) -> bool:
    """Whether a noted checksum is that of the file, as Prisma decides: for any newlines, and in its older format.

    There a byte below 16 was one digit.
    """
    if checksum == migration.checksum:
        return True
    script = migration.script
    digests = [_digest(text) for text in (script, script.replace("\r\n", "\n"), script.replace("\n", "\r\n"))]
    if checksum and len(checksum) != _CHECKSUM_LENGTH:
        return checksum in ["".join(f"{byte:x}" for byte in digest) for digest in digests]
    return checksum in [digest.hex() for digest in digests]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _order(name: str) -> tuple[list[int], str]:
    """Prisma sorts by JavaScript's localeCompare: "_" comes before digits, and a before A before b. Letters with accents are
    sorted by those without, others by their code points after all of ASCII."""
    bare = [c for c in unicodedata.normalize("NFD", name.lower()) if not unicodedata.combining(c)]
    return [_COLLATION.find(c) if c in _COLLATION else 128 + ord(c) for c in bare], name.swapcase()


def _refuse_provider(lock: Path) -> None:
    text = script_file.text(lock)
    if text is None:  # Prisma does without it
        return
    given = [line for line in text.splitlines() if line.startswith("provider")]
    provider = given[0].removeprefix("provider = ").strip('"') if given else "none"
    if provider not in _PROVIDERS:
        raise MigrationError(
            f"these migrations are for another database: the provider is {provider}",
            where=str(lock),
            hint='for PostgreSQL it says `provider = "postgresql"`; a new history begins with `prisma migrate dev`',
        )


def _read(folder: Path) -> PrismaMigration:
    path = folder / _SCRIPT
    script = script_file.text(path)
    if script is None:
        raise MigrationError(
            f"there is no {_SCRIPT} in this directory",
            where=str(folder),
            hint="delete the directory or restore the file",
        )
    if not script_file.NAME.fullmatch(folder.name):  # Prisma takes whatever a folder can be called
        raise MigrationError(
            "the name of a migration has at most 255 characters, and no comma, colon or control character",
            where=str(folder),
        )
    preflight, down = script_file.statements(folder / "preflight.sql"), script_file.text(folder / "down.sql")
    return PrismaMigration(folder.name, path, _digest(script).hex(), script, preflight, down)


def _refuse_failed(tried: Sequence[_Row]) -> None:
    for row in tried:
        if row.finished is None:
            raise MigrationError(
                f"migration {row.name} failed, or is still running: it started at {row.started:%Y-%m-%d %H:%M:%S %Z}",
                where=VERSION_TABLE,
                hint=f"undo its changes, then `prisma migrate resolve --rolled-back {row.name}`; "
                f"or complete them, then `prisma migrate resolve --applied {row.name}`",
            )


def _refuse_unknown(finished: Mapping[str, _Row], migrations: Sequence[PrismaMigration]) -> None:
    """A squash replaces old directories by a new first one, which `migrate resolve` then notes as applied."""
    names = [migration.name for migration in migrations]
    base = finished.get(names[0]) if names else None
    lost = [row.name for row in finished.values() if row.name not in names and not _squashed(row, base)]
    if lost:
        squash = f"; after a squash, `prisma migrate resolve --applied {names[0]}`" if names and not base else ""
        raise MigrationError(
            f"migration {lost[0]} was applied, but the directory does not have it",
            where=str(migrations[0].path.parents[1]) if migrations else VERSION_TABLE,
            hint=f"use the checkout that has it, or restore it{squash}",
        )


def _squashed(row: _Row, base: _Row | None) -> bool:
    return base is not None and base.steps == 0 and row.started <= base.started


def _refuse_gap(applied: Sequence[PrismaMigration], migrations: Sequence[PrismaMigration]) -> None:
    for missing, migration in zip(migrations, applied, strict=False):
        if missing is not migration:
            raise MigrationError(
                f"migration {missing.name} is not applied, but {migration.name}, which comes after it, is",
                where=str(missing.path),
                hint="`prisma migrate deploy` applies it now; if the database has its changes already, "
                f"`prisma migrate resolve --applied {missing.name}`",
            )
