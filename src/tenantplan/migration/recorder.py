"""Alembic's offline mode with a recorder in place of its text output.

Alembic writes offline SQL for people: it turns tabs into spaces inside literals and doubles percent signs for a driver.
The recorder compiles each construct itself, keeps one text per statement, and refuses what would need a database.
Importing this module imports Alembic.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects.postgresql import base as postgresql
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import CreateTable, ExecutableDDLElement

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext

_PARAMETERS = "passes parameters to a statement"


class Recorder:
    """Collects `statements`, in order, and `refusals`: what a revision did that SQL alone cannot say."""

    def __init__(self, shared: bool, version_table: str, start: str | None) -> None:
        self.statements: list[str] = []
        self.refusals: list[str] = []
        # "named" keeps percent signs single and leaves a colon in a plain string as it was written.
        self._dialect = postgresql.PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
        options = {"as_sql": True, "shared": shared, "starting_rev": start}
        self._context = MigrationContext.configure(dialect=self._dialect, opts=options)
        connection: Any = _OfflineConnection(self)
        impl: Any = self._context.impl
        self._context.connection = impl.connection = connection
        impl._exec = self.emit
        impl.emit_begin = impl.emit_commit = lambda: self.refuse("manages its transaction (autocommit_block)")
        version_column = sa.Column("version_num", sa.String(32), nullable=False)
        key = sa.PrimaryKeyConstraint("version_num", name=f"{version_table}_pkc")
        self._version = sa.Table(version_table, sa.MetaData(), version_column, key)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """`alembic.op` records here meanwhile (Operations.context would leave it so after an exception)."""
        operations: Any = Operations(self._context)
        operations._install_proxy()
        try:
            yield
        finally:
            operations._remove_proxy()

    def refuse(self, reason: str) -> None:
        """Note and raise that the revision cannot be compiled."""
        message = f"{reason}, which is not supported yet"
        self.refusals.append(message)
        raise MigrationError(message)

    def emit(self, construct: Any, execution_options: Any = None, multiparams: Any = None, params: Any = None) -> None:
        """Record a construct or text as one statement; the signature is that of Alembic's DefaultImpl._exec."""
        if multiparams or params:
            self.refuse(_PARAMETERS)
        if execution_options:
            self.refuse("sets execution options for a statement")
        text = self._text(construct).strip().rstrip(";").rstrip()
        if obstacle := sqltext.obstacle(text):
            self.refuse(obstacle)
        if sqltext.bare(text):
            self.statements.append(text)

    def create_version_table(self) -> None:
        """Record the version table, which is kept when a database is downgraded to its base."""
        self.emit(CreateTable(self._version, if_not_exists=True))

    def set_version(self, before: str | None, after: str | None) -> None:
        """Record the step from one revision to another in the version table."""
        column = self._version.c.version_num
        self._context._start_from_rev = after  # what get_current_revision() answers in offline mode
        if before is None:
            self.emit(self._version.insert().values(version_num=after))
        elif after is None:
            self.emit(self._version.delete().where(column == before))
        else:
            self.emit(self._version.update().values(version_num=after).where(column == before))

    def _text(self, construct: Any) -> str:
        if isinstance(construct, str):
            return str(sa.text(construct).compile(dialect=self._dialect))
        plain = construct.compile(dialect=self._dialect)
        if isinstance(construct, ExecutableDDLElement):
            return str(plain)
        if missing := [name for name, bound in plain.binds.items() if bound.required]:
            self.refuse(f"leaves :{missing[0]} without a value")  # SQLAlchemy would write NULL
        return str(construct.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True}))


class _OfflineConnection(MockConnection):
    """What `op.get_bind()` returns: it records DDL and statements, and has nothing to read."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        super().__init__(recorder._dialect, self._record)

    def _record(self, construct: Any, parameters: Any = None) -> Any:
        if isinstance(construct, str):
            raise TypeError("a connection executes text('…'), not a string")
        self._recorder.emit(construct, None, parameters)
        return _NoResult(self._recorder)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "in_transaction":  # asked by SQLAlchemy and Alembic, which can do without
            raise AttributeError(name)
        self._recorder.refuse(f"uses the connection ({name})")


class _NoResult:
    """The result of a statement that has not run: looking at it in any way is refused."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def _look(self, *_: Any) -> Any:
        self._recorder.refuse("reads the result of a query")

    __iter__ = __bool__ = __len__ = __getitem__ = __eq__ = __next__ = __contains__ = _look
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        self._look()
