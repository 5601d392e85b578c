"""What a database is at, by the version tables of its trees."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from tenantplan.migration import prisma
from tenantplan.migration.fingerprint import fingerprint, fingerprint_and
from tenantplan.migration.graph import PRISMA, Graph
from tenantplan.migration.revision import position
from tenantplan.model.step import as_mark

_TABLES = {"main": "alembic_version", "tenant": "alembic_version", "shared": "alembic_version_tenant"}
_PRISMA_TABLE = "_prisma_migrations"
NAMES = tuple({*_TABLES.values(), _PRISMA_TABLE})
_STAMP = sql.SQL("shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database')")
_LOCKED = sql.SQL("SELECT version_num::text, obj_description(tableoid, 'pg_class'), {stamp} FROM {table} FOR UPDATE")
_PRISMA_LOCK = 72707369  # the advisory lock that `prisma migrate` holds while it works


@dataclass(frozen=True)
class VersionTables:
    """The version tables of a fleet's trees: "main", "tenant" and "shared", the tenant tree in the main database."""

    tenant: Graph

    def name(self, tree: str) -> str:
        """The table's name in schema public."""
        return _PRISMA_TABLE if self._is_prisma(tree) else _TABLES[tree]

    def read(self, connection: psycopg.Connection[Any], tree: str) -> tuple[str | None, str | None]:
        """(revision, mark) of the connected database: the mark is what a migration left that stopped halfway.

        MigrationError when Prisma's table says that a migration failed.
        """
        row = connection.execute(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relname = %s",
            [self.name(tree)],
        ).fetchone()
        if row is None:
            return None, None
        mark = as_mark(row[0])
        if self._is_prisma(tree):
            return self._prisma(connection), mark
        table = sql.Identifier("public", self.name(tree))
        listed = connection.execute(sql.SQL("SELECT version_num FROM {}").format(table)).fetchall()
        return position(found[0] for found in listed), mark

    def read_locked(
        self, connection: psycopg.Connection[Any], tree: str, first: sql.Composed, there: bool
    ) -> tuple[str | None, str | None, str | None]:
        """(revision, mark, stamp) of the connected database, in the current transaction, after `first` was run: one message
        where the version table ought to be `there`. (None, None, None): it is not.

        Other migrations are kept out until the transaction ends; psycopg.errors.LockNotAvailable when one is at work.
        """
        if there and not self._is_prisma(tree):
            table = sql.Identifier("public", self.name(tree))
            locked = _LOCKED.format(stamp=_STAMP, table=table)
            with suppress(psycopg.errors.UndefinedTable):
                cursor = connection.execute(sql.SQL("{}; {}").format(first, locked))
                while cursor.description is None:
                    cursor.nextset()
                if rows := cursor.fetchall():
                    return position(row[0] for row in rows), as_mark(rows[0][1]), rows[0][2]
            return None, None, None
        connection.execute(first)
        if self._is_prisma(tree):
            self._lock_prisma(connection)
        stamp = connection.execute(sql.SQL("SELECT {}").format(_STAMP)).fetchone()
        return *self.read(connection, tree), stamp[0] if stamp else None

    def read_with_fingerprint(self, connection: psycopg.Connection[Any]) -> tuple[str | None, str | None, str]:
        """(revision, mark, fingerprint) of a tenant database, in one snapshot; the session is in no transaction."""
        if not self._is_prisma("tenant"):
            table = sql.Identifier("public", self.name("tenant"))
            asked = sql.SQL("SELECT array_agg(version_num::text), obj_description({}::regclass, 'pg_class') FROM {}")
            try:
                found, row = fingerprint_and(connection, asked.format(sql.Literal(table.as_string()), table))
            except psycopg.errors.UndefinedTable:
                pass  # nothing was applied, or somebody dropped it
            else:
                return (None, None, found) if row is None else (position(row[0] or ()), as_mark(row[1]), found)
        with connection.transaction():
            revision, mark = self.read(connection, "tenant")
            return revision, mark, fingerprint(connection)

    def _lock_prisma(self, connection: psycopg.Connection[Any]) -> None:
        taken = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PRISMA_LOCK]).fetchone()
        if taken is None or not taken[0]:
            raise psycopg.errors.LockNotAvailable("prisma migrate is at work in this database")

    def _prisma(self, connection: psycopg.Connection[Any]) -> str | None:
        return prisma.position(connection.execute(prisma.READ).fetchall(), self._migrations)

    @cached_property
    def _migrations(self) -> list[prisma.Migration]:
        return prisma.load(self.tenant.directory)

    def _is_prisma(self, tree: str) -> bool:
        return tree == "tenant" and self.tenant.engine == PRISMA
