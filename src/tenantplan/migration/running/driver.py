"""The session that a program runs in: what it sends is looked at first, be it by Alembic, SQLAlchemy or psycopg itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from tenantplan.migration import sqltext
from tenantplan.postgres.session import Session

_MAY_END = re.compile(r"\b(COMMIT|END|ABORT|ROLLBACK|PREPARE)\b", re.IGNORECASE)


def ends_transaction(text: str) -> bool:
    """Whether a text has a statement that ends the transaction, behind comments and other statements, too."""
    return bool(_MAY_END.search(text)) and any(
        sqltext.transaction_control(each) in ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION")
        for each in sqltext.pieces(text)
    )


class Driver(Session):
    """`watch`, where it is set, is asked before each statement and commit. `touched`: something may have been committed."""

    watch: Callable[[Driver, str], None] | None = None
    touched = False

    def look(self, query: Any) -> None:
        """Ask `watch`, whose own statements nobody looks at."""
        watch, self.watch = self.watch, None
        if watch is None:
            return
        try:
            watch(self, _text(query, self))
        finally:
            self.watch = watch

    def commit(self) -> None:
        """As psycopg's."""
        if not self.autocommit:
            self.look("COMMIT")
        super().commit()

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """As psycopg's, but that it is a part of the transaction which begins here where there is none."""
        self.look("")
        with super().transaction(savepoint_name, force_rollback) as transaction:
            yield transaction


class Watched(psycopg.ClientCursor[Any]):
    """A cursor of a Driver."""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's; so are the others."""
        _look(self, query)
        return super().execute(query, *arguments, **options)

    def executemany(self, query: Any, *arguments: Any, **options: Any) -> None:  # noqa: D102
        _look(self, query)
        super().executemany(query, *arguments, **options)

    def stream(self, query: Any, *arguments: Any, **options: Any) -> Any:  # noqa: D102
        _look(self, query)
        return super().stream(query, *arguments, **options)

    def copy(self, statement: Any, *arguments: Any, **options: Any) -> Any:  # noqa: D102
        _look(self, statement)
        return super().copy(statement, *arguments, **options)


class WatchedServerCursor(psycopg.ServerCursor[Any]):
    """The same with a name."""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's."""
        _look(self, query)
        return super().execute(query, *arguments, **options)


def _look(cursor: Any, query: Any) -> None:
    if isinstance(cursor.connection, Driver):
        cursor.connection.look(query)


def _text(query: Any, connection: Driver) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    return query.as_string(connection) if isinstance(query, sql.Composable) else str(query)
