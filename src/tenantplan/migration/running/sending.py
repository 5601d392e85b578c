"""Sends the statements of a migration, several in one message, and finds which of them failed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from tenantplan.migration import sqltext
from tenantplan.migration.compile.assemble import is_own
from tenantplan.postgres import guard
from tenantplan.postgres.connect import Connection

SHOWN = 1000  # characters of a message that pg_stat_activity shows, about (track_activity_query_size)
_AFTER = "\n;\n"  # on a line of its own: a statement may end with a comment


def run_statements(connection: Connection, statements: Sequence[str], last: Sequence[sql.Composed] = ()) -> None:
    """Runs migration statements with the search_path that their authors expect, and tenantplan's `last` with its own: as many in
    one message as pg_stat_activity shows."""
    ours = [statement.as_string(connection) for statement in last]
    texts = ["SET LOCAL search_path = public, pg_temp", *statements, guard.LEAVE, *ours]
    send(connection, texts, SHOWN, first=-1)  # whose place counts from the first of `statements`


@contextmanager
def isolated(connection: Connection, statements: Sequence[str]) -> Iterator[None]:
    """The next transaction begins as SET TRANSACTION, if the first statement is that, will have it: PostgreSQL takes that only
    before a query, and the transaction's first is tenantplan's. Settings that are made again, and checks, stand before it."""
    level = ""
    for text in statements:
        first = text[:16].upper()
        if first.startswith("SET TRANSACTION"):
            level = sqltext.isolation_level(text.upper())
        if level or (is_own(text) and not first.startswith("SET ")):
            break
    if not level:
        yield
        return
    connection.isolation_level = IsolationLevel[level.replace(" ", "_").upper()]
    try:
        yield
    finally:
        if not connection.closed:
            connection.isolation_level = None


def present_groups(connection: Connection, groups: Sequence[str]) -> list[str]:
    """Those of the group roles that the server has: one that an organization brought has none."""
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(groups)]).fetchall()
    return [row[0] for row in rows]


class _Counting(psycopg.Cursor[Any]):
    """A cursor that knows how many commands of a message have run when one fails."""

    ran = 0

    def _check_results(self, results: list[PGresult]) -> None:
        self.ran = sum(1 for _ in itertools.takewhile(lambda r: r.status != ExecStatus.FATAL_ERROR, results))
        super()._check_results(results)


def send(connection: Connection, texts: Sequence[str], most: int, first: int = 0) -> None:
    """Runs statements, as many in one message as have `most` characters. Raises psycopg.Error that knows which of them failed, see
    `failed_at`, counted from `first`."""
    begun, size = 0, 0
    for end, text in enumerate(texts):
        if begun < end and size + len(text) > most:
            _at_once(connection, texts[begun:end], first + begun)
            begun, size = end, 0
        size += len(text) + len(_AFTER)
    _at_once(connection, texts[begun:], first + begun)


def _at_once(connection: Connection, texts: Sequence[str], first: int) -> None:
    with _Counting(connection) as cursor:
        try:
            cursor.execute("".join(text + _AFTER for text in texts).encode())
        except psycopg.Error as error:
            place = _place(texts, error, cursor.ran)
            error.failed_at = None if place is None else first + place  # type: ignore[attr-defined]
            raise


def failed_at(error: BaseException) -> int | None:
    """The place of the statement that failed, as `send` noted it; None when nobody knows."""
    place = getattr(error, "failed_at", None)
    return place if isinstance(place, int) else None


def _place(texts: Sequence[str], error: psycopg.Error, ran: int) -> int | None:
    """By the position that the server gives (a message that it cannot read fails before anything of it has run), else by how many
    commands have run; one text may be several."""
    if error.sqlstate is None:
        return None
    ends = list(itertools.accumulate(len(text) + len(_AFTER) for text in texts))
    if position := error.diag.statement_position:
        return next((place for place, end in enumerate(ends) if int(position) <= end), None)
    if len(texts) == 1:
        return 0
    commands = itertools.accumulate(_commands(text) for text in texts)
    return next((place for place, end in enumerate(commands) if ran < end), None)


def _commands(text: str) -> int:
    import postgast  # PostgreSQL's parser, which takes a while to import

    try:
        return len(postgast.split(text))
    except postgast.PgQueryError:
        return 1
