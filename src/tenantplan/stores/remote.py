"""Buckets and file servers as stores, through fsspec. Credentials come from the URL or the environment, as fsspec has it:
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL for S3 and what speaks it, FSSPEC_<SCHEME>_<OPTION> for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tenantplan.stores.failures import translated
from tenantplan.stores.location import OBJECT_STORES, masked_url, scheme_of
from tenantplan.stores.store import CHUNK, checked_key, missing, source_chunks


@dataclass(frozen=True)
class RemoteStore:
    """Files below an fsspec URL; nothing is connected before the first call."""

    location: str = field(repr=False)

    @property
    def url(self) -> str:
        """The URL without its password."""
        return masked_url(self.location)

    def put(self, key: str, source: Path) -> None:
        """Stores a file. An object store shows it when all of it is there, another file system after a rename."""
        checked_key(key)
        with translated(f"{key} cannot be stored", self.location):
            files, path = self._place(key)
            if scheme_of(self.location) in OBJECT_STORES:
                next(source_chunks(source), b"")  # an unreadable source is told apart from a missing bucket
                files.put_file(str(source), path)
            else:
                _write_beside(files, path, source)

    def read(self, key: str) -> Iterator[bytes]:
        """The file's bytes, in chunks; NotFound when there is none."""
        checked_key(key)
        with translated(f"{key} cannot be read", self.location):
            files, path = self._place(key)
            try:
                file = files.open(path, "rb")
            except FileNotFoundError:
                raise missing(key, self.url) from None
            with file:
                while chunk := file.read(CHUNK):
                    yield bytes(chunk)

    def size(self, key: str) -> int | None:
        """The file's size in bytes; None when there is none."""
        checked_key(key)
        with translated(f"{key} cannot be looked up", self.location):
            files, path = self._place(key)
            try:
                found = files.info(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return int(found["size"]) if found["type"] == "file" else None

    def file_id(self, key: str) -> None:
        """None: the key is all there is."""
        checked_key(key)

    def delete(self, key: str) -> None:
        """Removes the file; one that is not there is no error."""
        checked_key(key)
        with translated(f"{key} cannot be deleted", self.location):
            files, path = self._place(key)
            with suppress(FileNotFoundError):
                files.rm_file(path)

    def _place(self, key: str) -> tuple[Any, str]:
        files, folder = self._opened
        files.invalidate_cache()  # a listing that another process has outdated
        return files, f"{folder}/{key}"

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        files, folder = url_to_fs(self.location)
        return files, folder.rstrip("/")


def _write_beside(files: Any, path: str, source: Path) -> None:
    """Writes to a name of its own, always the same, so that a run after a killed one replaces what that one has left."""
    folder, _, name = path.rpartition("/")
    part = f"{folder}/.{name}.part"
    files.makedirs(folder, exist_ok=True)
    try:
        with files.open(part, "wb") as file:
            for chunk in source_chunks(source):
                file.write(chunk)
        if files.exists(path):
            files.rm_file(path)  # not every server renames over a file
        files.mv(part, path)
    except BaseException:
        with suppress(Exception):
            files.rm_file(part)
        raise
