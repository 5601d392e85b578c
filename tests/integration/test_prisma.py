"""Prisma's table on a real server: made and filled as Prisma does, and read after Prisma.

What Prisma does was taken down from `prisma migrate deploy` and `migrate resolve` 6.19 on PostgreSQL 16: the columns of
its table, and the rows, with the checksums, that it wrote for the two scripts below.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer

from tenantplan.errors import MigrationError
from tenantplan.migration.tree import prisma_files
from tenantplan.migration.tree.prisma_files import PrismaMigration
from tenantplan.postgres.databases import drop_database

pytestmark = pytest.mark.once

INIT, MORE, LAST = "20240101000000_init", "20240102000000_more", "20240103000000_last"
SCRIPTS = {
    INIT: '-- CreateTable\nCREATE TABLE "Org" (\n    "id" INTEGER NOT NULL,\n'
    '    CONSTRAINT "Org_pkey" PRIMARY KEY ("id")\n);\n',
    MORE: 'ALTER TABLE "Org" ADD COLUMN "name" TEXT NOT NULL;\r\nINSERT INTO "Org" VALUES (1, $$ab$$);\r\n',
    LAST: "CREATE TABLE last (note text DEFAULT '100 % \\');\n",
}
CHECKSUMS = {
    INIT: "101cc7ebb8292a3ae75d37dd66a65e732e5fdb25376e321293bca08698ca4d7c",
    MORE: "5852aa65d002c084e36133d9d96a811fc00a6ad701d13cc092ac017757595c55",
}
COLUMNS = [
    ("id", "character varying(36)", True, None),
    ("checksum", "character varying(64)", True, None),
    ("finished_at", "timestamp with time zone", False, None),
    ("migration_name", "character varying(255)", True, None),
    ("logs", "text", False, None),
    ("rolled_back_at", "timestamp with time zone", False, None),
    ("started_at", "timestamp with time zone", True, "now()"),
    ("applied_steps_count", "integer", True, "0"),
]
READ_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = '_prisma_migrations'::regclass AND attnum > 0 ORDER BY attnum"""
_NUMBERS = count(1)
Connection = psycopg.Connection[Any]


@pytest.fixture
def database(server: TestServer) -> Iterator[Connection]:
    """A database of its own, in autocommit mode, as the role without superuser."""
    name = sql.Identifier(f"prisma_{os.getpid()}_{next(_NUMBERS)}")
    with server.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
    with server.connect(dbname=name.as_string().strip('"')) as connection:
        yield connection
    with server.connect() as admin:
        drop_database(admin, name.as_string().strip('"'))


@pytest.fixture
def migrations(tmp_path: Path) -> list[PrismaMigration]:
    """The three scripts, in a directory as Prisma makes it."""
    for name, script in SCRIPTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "migration.sql").write_bytes(script.encode())
    (tmp_path / "migration_lock.toml").write_text('provider = "postgresql"\n')
    return prisma_files.load(tmp_path)


def apply(connection: Connection, *wanted: PrismaMigration) -> None:
    """What a plan's transaction does."""
    with connection.transaction():
        connection.execute(prisma_files.table().encode())
        for migration in wanted:
            connection.execute(migration.script.encode())
            connection.execute(prisma_files.record(migration).encode())


def prisma_applied(connection: Connection, *names: str) -> None:
    """What `prisma migrate deploy` does: a row when it begins, which it completes when it is through."""
    connection.execute(prisma_files.table().replace("IF NOT EXISTS ", "").encode())
    for name in names:
        key = prisma_started(connection, name)
        connection.execute(SCRIPTS[name].encode())
        connection.execute(
            "UPDATE _prisma_migrations SET applied_steps_count = applied_steps_count + 1 WHERE id = %s", [key]
        )
        connection.execute("UPDATE _prisma_migrations SET finished_at = clock_timestamp() WHERE id = %s", [key])


def prisma_started(connection: Connection, name: str) -> str:
    key = str(uuid.uuid4())
    connection.execute(
        "INSERT INTO _prisma_migrations (id, checksum, started_at, migration_name)"
        " VALUES (%s, %s, clock_timestamp(), %s)",
        [key, CHECKSUMS[name], name],
    )
    return key


def prisma_resolved(connection: Connection, migration: PrismaMigration) -> None:
    """What `prisma migrate resolve --applied` does: it gives up the failed attempts, and notes one without steps."""
    connection.execute(
        "UPDATE _prisma_migrations SET rolled_back_at = clock_timestamp()"
        " WHERE migration_name = %s AND finished_at IS NULL",
        [migration.name],
    )
    connection.execute(
        "INSERT INTO _prisma_migrations (id, checksum, logs, started_at, finished_at, migration_name)"
        " VALUES (%s, %s, '', clock_timestamp(), clock_timestamp(), %s)",
        [str(uuid.uuid4()), migration.checksum, migration.name],
    )


def position(connection: Connection, migrations: list[PrismaMigration]) -> str | None:
    return prisma_files.position(connection.execute(prisma_files.READ).fetchall(), migrations)


def test_the_table_is_prismas(database: Connection) -> None:
    database.execute(prisma_files.table().encode())
    database.execute(prisma_files.table().encode())  # nothing to do
    assert database.execute(READ_COLUMNS).fetchall() == COLUMNS
    constraint = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"
    )
    found = database.execute(constraint, ["_prisma_migrations"]).fetchall()
    assert found == [("_prisma_migrations_pkey", "PRIMARY KEY (id)")]


def test_rows_are_those_that_prisma_writes(database: Connection, migrations: list[PrismaMigration]) -> None:
    apply(database, *migrations)
    rows = database.execute(
        "SELECT migration_name, checksum, logs, rolled_back_at, applied_steps_count, finished_at >= started_at"
        " FROM _prisma_migrations ORDER BY started_at"
    ).fetchall()
    assert [row[0] for row in rows] == [INIT, MORE, LAST]
    assert {row[0]: row[1] for row in rows if row[0] in CHECKSUMS} == CHECKSUMS
    assert {row[2:] for row in rows} == {(None, None, 1, True)}
    keys = [row[0] for row in database.execute("SELECT id FROM _prisma_migrations")]
    assert len({uuid.UUID(key) for key in keys}) == 3
    assert {len(key) for key in keys} == {36}


def test_position_follows_what_was_applied(database: Connection, migrations: list[PrismaMigration]) -> None:
    apply(database)
    assert position(database, migrations) is None
    for migration in migrations:
        apply(database, migration)
        assert position(database, migrations) == migration.name


def test_a_migration_that_fails_leaves_no_row(database: Connection, migrations: list[PrismaMigration]) -> None:
    apply(database, migrations[0])
    with pytest.raises(psycopg.errors.DuplicateTable):
        apply(database, migrations[1], migrations[2], migrations[0])
    assert position(database, migrations) == INIT


def test_after_prisma(database: Connection, migrations: list[PrismaMigration]) -> None:
    prisma_applied(database, INIT, MORE)
    assert position(database, migrations) == MORE
    apply(database, migrations[2])
    assert position(database, migrations) == LAST
    steps = database.execute("SELECT DISTINCT applied_steps_count, logs FROM _prisma_migrations").fetchall()
    assert steps == [(1, None)]


def test_what_prisma_left_unfinished_is_refused_until_it_is_resolved(
    database: Connection, migrations: list[PrismaMigration]
) -> None:
    prisma_applied(database, INIT)
    prisma_started(database, MORE)
    with pytest.raises(MigrationError, match=f"{MORE} failed, or is still running"):
        position(database, migrations)
    prisma_resolved(database, migrations[1])
    assert position(database, migrations) == MORE


def test_a_baseline_is_a_position(database: Connection, migrations: list[PrismaMigration]) -> None:
    database.execute(prisma_files.table().encode())
    prisma_resolved(database, migrations[0])
    assert position(database, migrations) == INIT


def test_a_squashed_directory_goes_on(database: Connection, migrations: list[PrismaMigration], tmp_path: Path) -> None:
    prisma_applied(database, INIT, MORE)
    (tmp_path / "0_squashed").mkdir()
    (tmp_path / "0_squashed" / "migration.sql").write_bytes((SCRIPTS[INIT] + SCRIPTS[MORE]).encode())
    squashed = [each for each in prisma_files.load(tmp_path) if each.name in ("0_squashed", LAST)]
    with pytest.raises(MigrationError, match=f"{INIT} was applied, but the directory does not have it"):
        position(database, squashed)
    prisma_resolved(database, squashed[0])
    assert position(database, squashed) == "0_squashed"
    apply(database, squashed[1])
    assert position(database, squashed) == LAST
