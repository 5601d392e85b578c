"""The current revision of a database, by the version tables of its trees."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from tenantplan.errors import SchemaMismatch
from tenantplan.migration.tree import prisma_files, typeorm_files
from tenantplan.migration.tree.alembic_files import SHARED_VERSION_TABLE, VERSION_TABLE
from tenantplan.migration.tree.graph import ALEMBIC, PRISMA, TYPEORM, Graph
from tenantplan.migration.tree.revision import position
from tenantplan.model.step import as_mark
from tenantplan.postgres.queries import query
from tenantplan.schema.fingerprint import fingerprint, fingerprint_and

_TABLES = {PRISMA: prisma_files.VERSION_TABLE, TYPEORM: typeorm_files.VERSION_TABLE}
ALEMBIC_TABLES = {"main": VERSION_TABLE, "tenant": VERSION_TABLE, "shared": SHARED_VERSION_TABLE}
# TypeORM's is not among them: any application may call a table "migrations".
NAMES = (VERSION_TABLE, SHARED_VERSION_TABLE, prisma_files.VERSION_TABLE)
# Straight from the catalogs: a new backend would have to plan what obj_description and shobj_description do as well.
_STAMP = sql.SQL(
    "(SELECT description FROM pg_shdescription WHERE classoid = 'pg_database'::regclass"
    " AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
# The table of a database that an organization brought may hold anything, of any size: no more is fetched than a tree could have.
_HEADS = sql.SQL("SELECT pg_catalog.left(version_num::text, 256) AS head FROM {table} LIMIT 64")
_LOCKED = sql.SQL(
    "SELECT pg_catalog.left(version_num::text, 256), (SELECT pg_catalog.left(description, 1000) FROM pg_description"
    " WHERE objoid = v.tableoid AND classoid = 'pg_class'::regclass AND objsubid = 0), {stamp} FROM {table} v"
    " LIMIT 64 FOR UPDATE OF v"
)
_PRISMA_LOCK = 72707369  # the advisory lock that `prisma migrate` holds while it works


@dataclass(frozen=True)
class VersionTables:
    """The version tables of a fleet's trees: "main", "tenant" and "shared", the tenant tree in the main database."""

    tenant: Graph

    def name(self, tree: str) -> str:
        """The table's name in schema public."""
        return _TABLES.get(self._engine(tree)) or ALEMBIC_TABLES[tree]

    def read(self, connection: psycopg.Connection[Any], tree: str) -> tuple[str | None, str | None]:
        """(revision, mark) of the connected database: the mark is what a migration left that stopped halfway.

        MigrationError when the table says that a migration failed, or what the folder does not explain.
        """
        table = sql.Identifier("public", self.name(tree))
        row = connection.execute(query("version_table"), {"table": self.name(tree)}).fetchone()
        engine = self._engine(tree)
        if engine == TYPEORM:
            _refuse_elsewhere(connection, there=row is not None)
        if row is None:
            return None, None
        if not row[1]:
            raise SchemaMismatch(
                f"{table.as_string()} is not a plain table: reading it could run untrusted code",
                where=f"database {connection.info.dbname}",
                hint="look at what it is now (\\d in psql), and make the version table again",
            )
        mark = as_mark(row[0])
        if engine == PRISMA:
            return self._prisma(connection), mark
        if engine == TYPEORM:
            return self._typeorm(connection), mark
        listed = connection.execute(_HEADS.format(table=table)).fetchall()
        return position(found[0] for found in listed), mark

    def read_locked(
        self, connection: psycopg.Connection[Any], tree: str, first: sql.Composed, there: bool
    ) -> tuple[str | None, str | None, str | None]:
        """(revision, mark, stamp) of the connected database, in the current transaction, after `first` was run: one message
        where the version table ought to be `there`. (None, None, None): it is not.

        Other migrations are kept out until the transaction ends; psycopg.errors.LockNotAvailable when one is at work.
        """
        engine = self._engine(tree)
        if there and engine == ALEMBIC:
            table = sql.Identifier("public", self.name(tree))
            locked = _LOCKED.format(stamp=_STAMP, table=table)
            with suppress(psycopg.errors.UndefinedTable):
                cursor = connection.execute(sql.SQL("{}; {}").format(first, locked))
                while cursor.nextset():
                    pass  # to what was asked last
                if rows := cursor.fetchall():
                    return position(row[0] for row in rows), as_mark(rows[0][1]), rows[0][2]
            return None, None, None
        taken = sql.SQL("pg_try_advisory_xact_lock({})").format(_PRISMA_LOCK) if engine == PRISMA else sql.SQL("true")
        cursor = connection.execute(sql.SQL("{}; SELECT {}, {}").format(first, taken, _STAMP))
        while cursor.nextset():
            pass  # to what was asked last
        free, stamp = cursor.fetchone() or (False, None)
        if not free:
            raise psycopg.errors.LockNotAvailable("prisma migrate is running in this database")
        if engine == TYPEORM and there:
            self._lock_typeorm(connection)
        return *self.read(connection, tree), stamp

    def read_with_fingerprint(self, connection: psycopg.Connection[Any]) -> tuple[str | None, str | None, str]:
        """(revision, mark, fingerprint) of a tenant database, in one snapshot; the session is in no transaction."""
        if self._engine("tenant") == ALEMBIC:
            table = sql.Identifier("public", self.name("tenant"))
            # What is no plain table is not read: a name that is none takes its place, whose error ends the message there.
            asked = sql.SQL(
                "SELECT coalesce((SELECT 'pg_class' FROM ({plain}) AS found(comment, plain) WHERE plain), 'no_table')::regclass;"
                " SELECT array_agg(head), left(obj_description({name}::regclass, 'pg_class'), 1000) FROM ({heads}) AS found"
            )
            heads = _HEADS.format(table=table)
            try:
                found, row = fingerprint_and(
                    connection,
                    asked.format(plain=_plain(self.name("tenant")), name=sql.Literal(table.as_string()), heads=heads),
                )
            except psycopg.errors.UndefinedTable:
                pass  # nothing was applied, somebody dropped it, or it is something else
            else:
                return (None, None, found) if row is None else (position(row[0] or ()), as_mark(row[1]), found)
        with connection.transaction():
            revision, mark = self.read(connection, "tenant")
            return revision, mark, fingerprint(connection)

    def _lock_typeorm(self, connection: psycopg.Connection[Any]) -> None:
        """TypeORM locks nothing: it reads the table, and writes a row after each migration. One that begins now waits, and finds
        the rows of this transaction; one that has written a row is waited for."""
        not_it = psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege  # reading says so, with what to do
        with suppress(*not_it), connection.transaction():
            connection.execute("LOCK TABLE public.migrations IN ACCESS EXCLUSIVE MODE")

    def _prisma(self, connection: psycopg.Connection[Any]) -> str | None:
        return prisma_files.position(connection.execute(prisma_files.READ).fetchall(), self._prisma_migrations)

    def _typeorm(self, connection: psycopg.Connection[Any]) -> str | None:
        return typeorm_files.position(connection.execute(typeorm_files.READ).fetchall(), self._typeorm_migrations)

    @cached_property
    def _prisma_migrations(self) -> list[prisma_files.PrismaMigration]:
        return prisma_files.load(self.tenant.directory)

    @cached_property
    def _typeorm_migrations(self) -> list[typeorm_files.TypeormMigration]:
        return typeorm_files.load(self.tenant.directory)

    def _engine(self, tree: str) -> str:
        return self.tenant.engine if tree == "tenant" else ALEMBIC


def _refuse_elsewhere(connection: psycopg.Connection[Any], there: bool) -> None:
    """SchemaMismatch where TypeORM's rows are in another table (migrationsTableName, schema), or another tool's in this one."""
    found = connection.execute(query("typeorm_tables")).fetchall()
    where = f"database {connection.info.dbname}"
    if there and ("public", typeorm_files.VERSION_TABLE) not in found:
        raise SchemaMismatch(
            "public.migrations is not TypeORM's: it has other columns than id, timestamp and name",
            where=where,
            hint="which migrations the database has cannot be told; if the table is another tool's, rename it",
        )
    if found and not there:
        table = sql.Identifier(*found[0]).as_string()
        raise SchemaMismatch(
            f"TypeORM's migrations are in {table} here, and tenantplan reads and writes public.migrations only",
            where=where,
            hint=f"ALTER TABLE {table} "
            + ("RENAME TO migrations" if found[0][0] == "public" else "SET SCHEMA public")
            + ", and take migrationsTableName and schema out of the DataSource's options",
        )


def _plain(table: str) -> sql.Composed:
    """The catalog query of `read`, as part of another statement."""
    return sql.SQL(query("version_table").decode().replace("%(table)s", "{table}")).format(table=sql.Literal(table))
