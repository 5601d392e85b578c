"""Alembic's offline mode with a recorder in place of its text output.

Alembic writes offline SQL for people: it turns tabs into spaces inside literals and doubles percent signs for a driver.
The recorder compiles each construct itself, keeps one text per statement, and notices what would need a database.
Importing this module imports Alembic.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.schemaobj import SchemaObjects
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects.postgresql import base as postgresql
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import CreateTable, ExecutableDDLElement

from tenantplan.errors import MigrationError
from tenantplan.migration import sqltext
from tenantplan.migration.compile.assemble import Entry
from tenantplan.migration.compile.literals import can_be_written, is_computed_by_default
from tenantplan.migration.tree.revision import parts


class Recorder:
    """Collects `entries`, in order, and `refusals`: what a revision did that it must not do. `asked` says how it looked at the
    database, which SQL alone cannot do; "" when it did not."""

    def __init__(
        self, shared: bool, version_table: str, start: str | None, naming_convention: Mapping[str, Any]
    ) -> None:
        self.entries: list[Entry] = []
        self.refusals: list[str] = []
        self.inspects = ""
        self._alone = self._anew = False
        # "named" keeps percent signs single and leaves a colon in a plain string as it was written.
        self._dialect = postgresql.PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {"as_sql": True, "shared": shared, "starting_rev": start}
        if naming_convention:
            options["target_metadata"] = sa.MetaData(naming_convention=naming_convention)
        self._context = MigrationContext.configure(dialect=self._dialect, opts=options)
        connection: Any = _OfflineConnection(self)
        impl: Any = self._context.impl
        self._context.connection = impl.connection = connection
        impl._exec = self.emit
        self._bulk_insert = impl.bulk_insert
        impl.bulk_insert = self._insert_rows
        impl.emit_commit, impl.emit_begin = self._enter_block, self._leave_block
        version_column = sa.Column("version_num", sa.String(32), nullable=False)
        key = sa.PrimaryKeyConstraint("version_num", name=f"{version_table}_pkc")
        self._version = sa.Table(version_table, sa.MetaData(), version_column, key)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """`alembic.op` records here meanwhile (Operations.context would leave it so after an exception)."""
        operations: Any = Operations(self._context)
        operations._install_proxy()
        try:
            with _as_written():
                yield
        finally:
            operations._remove_proxy()

    def refuse(self, reason: str) -> None:
        """Note and raise that the revision cannot be used."""
        self.refusals.append(reason)
        raise MigrationError(reason)

    def ask(self, how: str) -> None:
        """Note and raise that the revision looks at the database."""
        self.inspects = self.inspects or how
        raise MigrationError(how)

    def take(self) -> list[Entry]:
        """What was recorded since the last time."""
        if self._alone:
            self.refuse("does not leave its autocommit block")
        taken = self.entries
        self.discard()
        return taken

    def why(self, error: BaseException) -> str:
        """How a revision looked at the database that failed with an error which says no more; "" when it is another one."""
        if isinstance(error, sa.exc.NoInspectionAvailable):
            return "inspects the database"
        if isinstance(error, (sa.exc.CompileError, sa.exc.ArgumentError, NotImplementedError)):
            return "has a value that cannot be written in SQL"
        return ""

    def discard(self) -> None:
        """Forget what was recorded since the last time."""
        self.entries, self._alone, self._anew = [], False, False

    def go_on(self, position: str | None) -> None:
        """Be ready for the next revision, whatever became of the one before it, which ends at `position`."""
        self.discard()
        self.refusals.clear()
        self._context._start_from_rev = position

    def emit(self, construct: Any, execution_options: Any = None, multiparams: Any = None, params: Any = None) -> None:
        """Record a construct or text as one statement; the signature is that of Alembic's DefaultImpl._exec."""
        if multiparams or params:
            self.ask("passes parameters to a statement")
        if execution_options:
            self.ask("sets execution options for a statement")
        if is_computed_by_default(construct):
            self.ask("leaves it to the server's version how a column is computed")
        text = self._text(construct).strip().rstrip(";").rstrip()
        obstacle = _obstacle_alone(text) if self._alone else sqltext.obstacle(text)
        if obstacle:
            self.refuse(obstacle)
        if sqltext.bare(text):
            self.entries.append(Entry(text, self._alone, self._anew))
            self._anew = False

    def commit(self) -> None:
        """Record that the revision commits what it has done until now, as it may before an autocommit block."""
        if self._alone:
            self.refuse("commits inside an autocommit block")
        self._anew = bool(self.entries)

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """What Alembic remembers of a revision that runs meanwhile (the types that it has made) is forgotten afterwards."""
        memo: dict[Any, Any] = self._context.impl.memo
        before = copy.deepcopy(memo)
        try:
            yield
        finally:
            memo.clear()
            memo.update(before)

    def _insert_rows(self, table: Any, rows: Any, multiinsert: bool = True) -> None:
        if isinstance(rows, list) and len({frozenset(row) for row in rows if isinstance(row, dict)}) > 1:
            self.ask("inserts rows that have different columns")
        for row in rows if isinstance(rows, list) else ():
            if any(
                name in table.c and not can_be_written(table.c[name].type, value) for name, value in dict(row).items()
            ):
                self.ask("has a value that cannot be written in SQL as the driver sends it")
        self._bulk_insert(table, rows, multiinsert)

    def _enter_block(self) -> None:
        if self._alone:
            self.refuse("opens an autocommit block inside another")
        self._alone = True

    def _leave_block(self) -> None:
        if not self._alone:
            self.refuse("manages its transaction itself")
        self._alone = False

    def create_version_table(self) -> None:
        """Record the version table, which is kept when a database is downgraded to its base."""
        self.emit(CreateTable(self._version, if_not_exists=True))

    def set_version(self, before: str | None, after: str | None) -> None:
        """Record the step from one position to another in the version table."""
        column = self._version.c.version_num
        self._context._start_from_rev = after  # what get_current_revision() answers in offline mode
        had, has = set(parts(before)), set(parts(after))
        gone, new = sorted(had - has), sorted(has - had)
        for old, name in zip(gone, new, strict=False):
            self.emit(self._version.update().values(version_num=name).where(column == old))
        for old in gone[len(new) :]:
            self.emit(self._version.delete().where(column == old))
        for name in new[len(gone) :]:
            self.emit(self._version.insert().values(version_num=name))

    def _text(self, construct: Any) -> str:
        if isinstance(construct, str):
            return str(sa.text(construct).compile(dialect=self._dialect))
        plain = construct.compile(dialect=self._dialect)
        if isinstance(construct, ExecutableDDLElement):
            return str(plain)
        if missing := [name for name, bound in plain.binds.items() if bound.required]:
            self.refuse(f"leaves :{missing[0]} without a value")  # SQLAlchemy would write NULL
        if any(not can_be_written(bound.type, bound.value) for bound in plain.binds.values()):
            self.ask("has a value that cannot be written in SQL as the driver sends it")
        if any(getattr(plain, name, None) for name in ("insert_prefetch", "update_prefetch")):
            self.ask("leaves values to be computed when the statement runs")  # literal SQL would say NULL
        return str(construct.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True}))


@contextlib.contextmanager
def _as_written() -> Iterator[None]:
    """Meanwhile Alembic adds the constraints and indexes of a column in the order in which they were written: it goes through a
    set, whose order is another one in each process."""
    made = SchemaObjects.table

    def table(self: SchemaObjects, *arguments: Any, **options: Any) -> sa.Table:
        found = made(self, *arguments, **options)
        written = sorted(found.constraints, key=lambda constraint: constraint._creation_order)
        found.constraints = sa.util.OrderedSet(written)
        found.indexes = sa.util.OrderedSet(sorted(found.indexes, key=lambda index: str(index.name)))
        return found

    SchemaObjects.table = table  # type: ignore[method-assign]
    try:
        yield
    finally:
        SchemaObjects.table = made  # type: ignore[method-assign]


def _obstacle_alone(text: str) -> str:
    """Why a text cannot be sent by itself, outside a transaction: PostgreSQL runs several statements in one text in one."""
    if control := sqltext.transaction_control(text):
        return f"begins or ends a transaction itself ({control})"
    try:
        listed = sqltext.split(text)
    except ValueError:
        return ""  # the server will say what is wrong with it
    beside = len(listed) > 1 and any(map(sqltext.outside, listed))
    return (
        "has a statement that PostgreSQL allows only outside a transaction together with others in one text"
        if beside
        else ""
    )


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

    def commit(self) -> None:
        self._recorder.commit()

    def execution_options(self, **options: Any) -> Any:
        self._recorder.ask("sets execution options for the connection")

    def _run_ddl_visitor(self, visitorcallable: Any, element: Any, **options: Any) -> None:
        if options.get("checkfirst"):
            self._recorder.ask("checks whether something exists already")
        super()._run_ddl_visitor(visitorcallable, element, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "in_transaction":  # asked by SQLAlchemy and Alembic, which can do without
            raise AttributeError(name)
        self._recorder.ask(f"uses the connection ({name})")


@sa.inspection._inspects(_OfflineConnection)
def _inspector(connection: _OfflineConnection) -> None:
    connection._recorder.ask("inspects the database")


class _NoResult:
    """The result of a statement that has not run: looking at it in any way is refused."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def _look(self, *_: Any) -> Any:
        self._recorder.ask("reads the result of a query")

    __iter__ = __bool__ = __len__ = __getitem__ = __eq__ = __next__ = __contains__ = _look
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        self._look()
