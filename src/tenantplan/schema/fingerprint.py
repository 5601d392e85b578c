"""What a database's schema is, object by object, and as one value; computed in the server from its catalogs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import Connection, Cursor, sql
from psycopg.rows import tuple_row

# Settings that change how the catalogs' definitions are printed.
_PINNED = {
    "search_path": "pg_catalog",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_SET = sql.SQL("; ").join(
    sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
    for name, value in _PINNED.items()
    if name != "search_path"
) + sql.SQL("; SET LOCAL search_path = pg_catalog")

# Lengths come first, so that no two lists of objects give one text.
_DIGEST = sql.SQL(
    """
    SELECT encode(sha256(convert_to(coalesce(string_agg(
        length(identity) || ':' || identity || length(definition) || ':' || definition, '' ORDER BY identity COLLATE "C"
    ), ''), 'UTF8')), 'hex')
    FROM ({}) AS described
    """
)


def objects(connection: Connection[Any]) -> dict[str, str]:
    """Every object of the connected database: identity ("column public.donors.email") to definition."""
    with _pinned(connection) as cursor:
        return dict(cursor.execute(_query()).fetchall())


def fingerprint(connection: Connection[Any]) -> str:
    """SHA-256 in hex over the ordered objects: equal for databases of the same schema, however they came to it."""
    with _pinned(connection) as cursor:
        row = cursor.execute(_DIGEST.format(_query())).fetchone()
    assert row is not None
    return str(row[0])


def fingerprint_and(connection: Connection[Any], statement: sql.Composed) -> tuple[str, tuple[Any, ...] | None]:
    """The fingerprint, and the row that `statement` returns in the same snapshot: one message to the server, one answer.

    Of several statements it is the last one's. For a session that is in no transaction. Raises psycopg.Error.
    """
    whole = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}; {}; {}; COMMIT")
    with connection.cursor(row_factory=tuple_row) as cursor:
        try:
            cursor.execute(whole.format(statement, _SET, _DIGEST.format(_query())))
        except psycopg.Error:
            connection.execute("ROLLBACK")
            raise
        rows = [cursor.fetchone() for _ in _sets(cursor) if cursor.description]
    row, found = rows[-2:]
    assert found is not None
    return str(found[0]), row


def _sets(cursor: Cursor[Any]) -> Iterator[None]:
    """Once for each result of a message with several statements."""
    yield
    while cursor.nextset():
        yield


def digest(objects: Mapping[str, str]) -> str:
    """The fingerprint of a database that has these objects."""
    ordered = sorted(objects.items(), key=lambda item: item[0].encode())
    text = "".join(f"{len(name)}:{name}{len(definition)}:{definition}" for name, definition in ordered)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    """(identity, expected, actual) of each object that differs, by identity; None means that it is missing."""
    return [
        (identity, expected.get(identity), actual.get(identity))
        for identity in sorted(expected.keys() | actual.keys())
        if expected.get(identity) != actual.get(identity)
    ]


@contextlib.contextmanager
def _pinned(connection: Connection[Any]) -> Iterator[Cursor[Any]]:
    # Rolled back, so that the settings do not stay; inside a transaction this is a savepoint.
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SET)
        yield cursor


@cache
def _query() -> sql.SQL:
    return sql.SQL(files(__package__).joinpath("fingerprint.sql").read_text(encoding="utf-8"))
