"""What every store offers, how bytes are measured, and what a key may be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tenantplan.errors import NotFound, TenantplanError

CHUNK = 1 << 20  # bytes held in memory at a time
MAX_KEY = 512
# Nothing here is special to a shell, a URL, a glob or a file system, and no part can be "..", "." or hidden.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~-]{0,199}")


class Store(Protocol):
    """A place for files by key. What it holds under a key is a whole file, or nothing.

    Every failure of the place itself is a TenantplanError.
    """

    @property
    def url(self) -> str:
        """Where it is, for people: without a password."""
        ...

    def put(self, key: str, source: Path) -> None:
        """Stores a file, in the place of an earlier one. When it fails, nothing of the new one is visible."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """The file's bytes, in chunks; NotFound when there is none."""
        ...

    def size(self, key: str) -> int | None:
        """The file's size in bytes; None when there is none."""
        ...

    def file_id(self, key: str) -> str | None:
        """What the place itself calls the file, where that is not the key: an ObjectId, the number of a large object."""
        ...

    def delete(self, key: str) -> None:
        """Removes the file; one that is not there is no error."""
        ...


@dataclass(frozen=True)
class Stored:
    """What identifies a file's content: its size in bytes and its SHA-256 in lower-case hexadecimal."""

    size: int
    sha256: str


def measure(content: Path | Iterable[bytes]) -> Stored:
    """Size and SHA-256 of a file, or of bytes in chunks. TenantplanError when the file cannot be read."""
    size, digest = 0, hashlib.sha256()
    for chunk in source_chunks(content) if isinstance(content, Path) else content:
        size += len(chunk)
        digest.update(chunk)
    return Stored(size, digest.hexdigest())


def source_chunks(source: Path) -> Iterator[bytes]:
    """A local file in chunks; TenantplanError, naming it, when it cannot be read."""
    try:
        with source.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise TenantplanError(
            f"the package file cannot be read: {error.strerror or error}",
            where=str(source),
            hint="check its path, and that the user that runs tenantplan may read it",
        ) from error


def checked_key(key: str) -> str:
    """The key itself; TenantplanError when it could name anything but one file inside the store."""
    if len(key) > MAX_KEY or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise TenantplanError(
            f"{key[:MAX_KEY]!r} cannot be the key of a stored file",
            hint="a key is made of letters, digits and _ . + ~ -, its parts are separated by / and start with none of . + ~ -",
        )
    return key


def missing(key: str, url: str) -> NotFound:
    """The error for a key under which there is nothing."""
    return NotFound(
        f"there is no {key}", where=url, hint="it was never stored, or it was removed: store it again, or restore it"
    )
