"""A folder of TypeORM's migrations, and the table in which TypeORM notes what it has applied.

Facts are those of TypeORM 1.1 (MigrationExecutor.ts, MigrationCreateCommand.ts, StringUtils.ts). `typeorm migration:run`
can take over after these statements, and they after it. TypeORM applies whatever has no row, wherever it stands, and takes
no notice of rows that no file has; what the folder does not explain is refused here.

A migration is `<timestamp>-<Name>.ts`, or its export as `<timestamp>-<Name>.sql`, which goes before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import script_file, typescript
from tenantplan.migration.tree.typescript import Query

VERSION_TABLE = "migrations"
METADATA = "typeorm_metadata"
READ = 'SELECT pg_catalog.left(name::text, 256), "timestamp" FROM public.migrations ORDER BY id LIMIT 20000'

_TABLE = """\
CREATE TABLE IF NOT EXISTS "migrations" ("id" SERIAL NOT NULL, "timestamp" bigint NOT NULL,\
 "name" character varying NOT NULL, CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY ("id"))"""
_METADATA_TABLE = """\
CREATE TABLE IF NOT EXISTS "typeorm_metadata" ("type" character varying NOT NULL, "database" character varying,\
 "schema" character varying, "table" character varying, "name" character varying, "value" text)"""
_UUID = 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"'
_USES_UUID = re.compile(r"\buuid_generate_v4\s*\(", re.IGNORECASE)
_HAS_UUID = re.compile(r"uuid-ossp|\bfunction\s+(\w+\.)?uuid_generate_v4\b", re.IGNORECASE)
_FILE = re.compile(r"(?P<stem>\d{13}-.+?)(?P<part>\.down|\.preflight)?(?<!\.d)\.(?P<kind>sql|ts|js)", re.ASCII)
_CLASS = "MigrationInterface"
_TWICE = "TypeORM goes by the name: a migration that is not applied yet can get another, in its class"


@dataclass(frozen=True, slots=True)
class TypeormMigration:
    """One migration: its name and timestamp as TypeORM notes them, its file, and what up() and down() send.

    `transaction` is False when TypeORM runs it without one, None of an export, whose statements tell. `digest` is that of
    what up() sends, or of the export's text.
    """

    name: str
    timestamp: int
    path: Path
    digest: str
    up: tuple[Query, ...]
    down: tuple[Query, ...] | None
    transaction: bool | None = None
    preflight: tuple[str, ...] = ()


def is_tree(directory: Path) -> bool:
    """Whether a directory is one of TypeORM's: it has a file that is named as TypeORM names them."""
    return any(_FILE.fullmatch(file.name) for file in directory.glob("[0-9]*-*"))


def load(directory: Path) -> list[TypeormMigration]:
    """The migrations in the order in which TypeORM applies them; MigrationError, with the file, for what cannot be used."""
    try:
        files = {file.name: file for file in directory.iterdir() if file.is_file()}
    except OSError as error:
        raise MigrationError(f"cannot be read: {error.strerror}", where=str(directory)) from error
    found = [_read(files, file) for name, file in sorted(files.items()) if _is_migration(files, name)]
    found.sort(key=lambda migration: (migration.timestamp, migration.path.name))  # TypeORM leaves equal times to glob
    files_of: dict[str, Path] = {}
    for each in found:
        if (other := files_of.setdefault(each.name, each.path)) != each.path:
            raise MigrationError(
                f"{each.name} is also the migration of {other.name}", where=str(each.path), hint=_TWICE
            )
    return found


def _is_migration(files: dict[str, Path], name: str) -> bool:
    """Whether a file is read as a migration. MigrationError for one that would be left out without a word."""
    match = _FILE.fullmatch(name)
    if match is None:
        return name.endswith((".ts", ".mts")) and not name.endswith(".d.ts") and _CLASS in (_text(files[name]))
    stem = match["stem"]
    if match["part"]:
        if f"{stem}.sql" in files or (match["part"] == ".preflight" and f"{stem}.ts" in files):
            return False
        raise MigrationError(f"there is no {stem}.sql that it belongs to", where=str(files[name]))
    if match["kind"] == "js" and not {f"{stem}.ts", f"{stem}.sql"} & files.keys():
        raise MigrationError(
            "compiled migrations are not read", where=str(files[name]), hint="name the folder of their sources (.ts)"
        )
    return match["kind"] == "sql" or (match["kind"] == "ts" and f"{stem}.sql" not in files)


def _read(files: dict[str, Path], file: Path) -> TypeormMigration:
    stem = file.name.rpartition(".")[0]
    migration = _exported(files, file, stem) if file.suffix == ".sql" else _source(file)
    timestamp = migration.name[-13:]
    if not re.fullmatch(r"\d{13}", timestamp, re.ASCII) or not script_file.NAME.fullmatch(migration.name):
        raise MigrationError(
            f"{migration.name!r} does not end in a timestamp of 13 digits, or has a comma, colon or control character",
            where=str(file),
            hint="TypeORM takes a migration's time from the end of its name: AddUsers1700000000000",
        )
    return migration


def _source(file: Path) -> TypeormMigration:
    try:
        found = typescript.read(_text(file))
    except typescript.Unreadable as error:
        stem = file.name.rpartition(".")[0]
        raise MigrationError(
            f"is more than SQL, and nothing here runs TypeScript: {error.message}",
            where=f"{file}:{error.line}",
            hint=f"export what it does as {stem}.sql beside it, and {stem}.down.sql for the way back: that is read instead",
        ) from None
    sent = repr([(query.text, query.parameters) for query in found.up] + [found.transaction])
    digest = hashlib.sha256(sent.encode()).hexdigest()
    timestamp = int(found.name[-13:]) if found.name[-13:].isdecimal() else 0
    preflight = script_file.statements(file.with_suffix(".preflight.sql"))
    return TypeormMigration(
        found.name, timestamp, file, digest, found.up, found.down, bool(found.transaction is not False), preflight
    )


def _exported(files: dict[str, Path], file: Path, stem: str) -> TypeormMigration:
    name, timestamp = name_of(stem), int(stem[:13])
    source = files.get(f"{stem}.ts")
    if source is not None and not re.search(rf"\b{re.escape(name)}\b", _text(source)):
        raise MigrationError(
            f"the migration in {source.name} is not called {name}, as the name of this file says",
            where=str(file),
            hint=f"name this file after its class: {stem[:13]}-CLASS.sql, with the timestamp that the class ends in",
        )
    up, down = _text(file), script_file.text(file.with_name(f"{stem}.down.sql"))
    digest = hashlib.sha256(up.replace("\r\n", "\n").encode()).hexdigest()
    back = None if down is None else (Query(down, 1),)
    preflight = script_file.statements(file.with_name(f"{stem}.preflight.sql"))
    return TypeormMigration(name, timestamp, file, digest, (Query(up, 1),), back, None, preflight)


def _text(file: Path) -> str:
    return script_file.text(file) or ""


def name_of(stem: str) -> str:
    """The name that `typeorm migration:create` gives to the migration of a file `<timestamp>-<Name>`; a Name that ends in the
    timestamp is one already."""
    timestamp, _, named = stem.partition("-")
    return named if named.endswith(timestamp) else f"{camel_case(named)}{timestamp}"


def camel_case(text: str) -> str:
    """What TypeORM makes of a file's name: add-users, add_users and AddUsers are AddUsers."""
    return re.sub(r"[\s_-](\w)", lambda match: match.group(1).upper(), f" {text}", flags=re.ASCII)


def table() -> str:
    """The statement that makes TypeORM's table, as TypeORM makes it, where there is none."""
    return _TABLE


def before(migrations: Sequence[TypeormMigration]) -> dict[str, tuple[str, ...]]:
    """What TypeORM makes by itself before it runs a migration, by name: the table in which it notes views and generated columns,
    and the extension of uuid_generate_v4(), which it makes when it connects. Where a tree makes that itself, or a function of
    that name, the extension is its own affair."""
    found: dict[str, tuple[str, ...]] = {}
    has_uuid = False
    for migration in migrations:
        text = "\n".join(query.text for query in migration.up)
        has_uuid = has_uuid or bool(_HAS_UUID.search(text))
        needs_uuid = not has_uuid and bool(_USES_UUID.search(text))
        has_uuid = has_uuid or needs_uuid
        found[migration.name] = (*[_UUID] * needs_uuid, *[_METADATA_TABLE] * (METADATA in text))
    return found


def record(migration: TypeormMigration) -> str:
    """The statement that notes a migration as applied."""
    statement = sql.SQL('INSERT INTO public.migrations ("timestamp", "name") VALUES ({}, {})')
    return statement.format(sql.Literal(migration.timestamp), sql.Literal(migration.name)).as_string()


def forget(migration: TypeormMigration) -> str:
    """The statement that takes back what `record` noted."""
    statement = sql.SQL('DELETE FROM public.migrations WHERE "timestamp" = {} AND "name" = {}')
    return statement.format(sql.Literal(migration.timestamp), sql.Literal(migration.name)).as_string()


def position(rows: Iterable[Sequence[Any]], migrations: Sequence[TypeormMigration]) -> str | None:
    """The last migration that a database has, None when it has none; `rows` are what READ fetches.

    MigrationError, with the way out, when the database does not have the first migrations of the folder and no others.
    """
    noted = {str(name): timestamp for name, timestamp in rows}
    known = {migration.name for migration in migrations}
    if lost := [name for name in noted if name not in known]:
        raise _unknown(lost[0], noted[lost[0]], migrations)
    applied = [migration for migration in migrations if migration.name in noted]
    for missing, migration in zip(migrations, applied, strict=False):
        if missing is not migration:
            raise MigrationError(
                f"migration {missing.name} is not applied, but {migration.name}, which comes after it, is",
                where=str(missing.path),
                hint="`typeorm migration:run` applies it now; or give it a newer timestamp, in its file name and its class",
            )
    return applied[-1].name if applied else None


def _unknown(name: str, timestamp: int, migrations: Sequence[TypeormMigration]) -> MigrationError:
    same = next((migration for migration in migrations if migration.timestamp == timestamp), None)
    if same:
        return MigrationError(
            f"{name} was applied, and the migration of that time is called {same.name} here",
            where=str(same.path),
            hint=f"TypeORM goes by the class: it has to stay {name}; of an export, name the file {timestamp}-{name}.sql",
        )
    return MigrationError(
        f"migration {name} was applied, but the folder does not have it",
        where=str(migrations[0].path.parent) if migrations else VERSION_TABLE,
        hint="use the checkout that has it, or restore it; if another one holds its changes by now, delete its row from"
        " the table migrations",
    )
