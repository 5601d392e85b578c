"""The main database as a store: large objects, each named by a row of tenantplan.stored_files in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tenantplan.stores.failures import translated
from tenantplan.stores.location import MAIN_STORE
from tenantplan.stores.store import CHUNK, Stored, checked_key, missing, source_chunks

Connection = psycopg.Connection[Any]
_READ, _WRITE = 0x40000, 0x20000  # INV_READ and INV_WRITE of libpq-fs.h
_INSERT = "INSERT INTO tenantplan.stored_files (key, object, size, sha256) VALUES (%s, %s::oid, %s, %s)"
# An object that somebody unlinked by hand must not keep its row from being replaced.
_SIZE = (
    "SELECT f.size FROM tenantplan.stored_files f JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = f.object"
    " WHERE f.key = %s"
)
_DELETE = """
    WITH gone AS (DELETE FROM tenantplan.stored_files WHERE key = %s RETURNING object)
    SELECT pg_catalog.lo_unlink(m.oid) FROM gone JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = gone.object
"""


@dataclass(frozen=True)
class LargeObjectStore:
    """Files in the database that `main` connects to; each call takes one connection while it lasts."""

    main: Callable[[], AbstractContextManager[Connection]]
    url: str = MAIN_STORE

    def put(self, key: str, source: Path) -> None:
        """Stores a file in one transaction: bytes, size, checksum and name appear together."""
        checked_key(key)
        with translated(f"{key} cannot be stored", self.url), self.main() as connection, connection.transaction():
            oid = _value(connection, "SELECT pg_catalog.lo_create(0)")
            stored = _write(connection, oid, source)
            connection.execute(_DELETE, [key])
            connection.execute(_INSERT, [key, oid, stored.size, stored.sha256])

    def read(self, key: str) -> Iterator[bytes]:
        """The file's bytes, in chunks, as of one moment; NotFound when there is none."""
        checked_key(key)
        with translated(f"{key} cannot be read", self.url), self.main() as connection, connection.transaction():
            oid = _value(connection, "SELECT object FROM tenantplan.stored_files WHERE key = %s", key)
            if oid is None:
                raise missing(key, self.url)
            descriptor = _value(connection, "SELECT pg_catalog.lo_open(%s::oid, %s)", oid, _READ)
            while chunk := _value(connection, "SELECT pg_catalog.loread(%s, %s)", descriptor, CHUNK):
                yield chunk

    def size(self, key: str) -> int | None:
        """The file's size in bytes; None when there is none, or its object was unlinked."""
        checked_key(key)
        with translated(f"{key} cannot be looked up", self.url), self.main() as connection:
            size = _value(connection, _SIZE, key)
            return None if size is None else int(size)

    def file_id(self, key: str) -> str | None:
        """The number of its large object; None when there is none."""
        checked_key(key)
        with translated(f"{key} cannot be looked up", self.url), self.main() as connection:
            oid = _value(connection, "SELECT object FROM tenantplan.stored_files WHERE key = %s", key)
            return None if oid is None else str(oid)

    def delete(self, key: str) -> None:
        """Removes the file, its bytes with its row; one that is not there is no error."""
        checked_key(key)
        with translated(f"{key} cannot be deleted", self.url), self.main() as connection:
            connection.execute(_DELETE, [key])


def _write(connection: Connection, oid: int, source: Path) -> Stored:
    size, digest = 0, hashlib.sha256()
    descriptor = _value(connection, "SELECT pg_catalog.lo_open(%s::oid, %s)", oid, _WRITE)
    for chunk in source_chunks(source):
        _value(connection, "SELECT pg_catalog.lowrite(%s, %b)", descriptor, chunk)
        size += len(chunk)
        digest.update(chunk)
    return Stored(size, digest.hexdigest())


def _value(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query.encode(), values, binary=True).fetchone()
    return None if row is None else row[0]
