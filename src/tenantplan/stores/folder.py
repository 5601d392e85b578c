"""A folder as a store: a file is written beside its place, made durable, and then moved there in one step."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tenantplan.errors import TenantplanError
from tenantplan.stores.failures import translated
from tenantplan.stores.store import CHUNK, checked_key, missing, source_chunks

ABANDONED = 24 * 3600  # seconds after which an unfinished file is taken for a killed process's


@dataclass(frozen=True)
class FolderStore:
    """Files below `folder`, which is made when it is first needed; their paths are their keys."""

    url: str
    folder: Path

    def put(self, key: str, source: Path) -> None:
        """Stores a file: after a return it survives a power cut, before it nobody sees it."""
        with translated(f"{key} cannot be stored", self.url):
            target = self._path(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            part = target.with_name(f".{target.name}.{uuid4().hex}.part")
            try:
                _write(part, source)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
            for folder in target.parents:
                _sync(folder)
                if folder == self.folder:
                    break

    def read(self, key: str) -> Iterator[bytes]:
        """The file's bytes, in chunks; NotFound when there is none."""
        with translated(f"{key} cannot be read", self.url):
            try:
                file = self._path(key).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                raise missing(key, self.url) from None
            with file:
                while chunk := file.read(CHUNK):
                    yield chunk

    def size(self, key: str) -> int | None:
        """The file's size in bytes; None when there is none."""
        with translated(f"{key} cannot be looked up", self.url):
            try:
                found = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def file_id(self, key: str) -> None:
        """None: the key is all there is."""
        checked_key(key)

    def delete(self, key: str) -> None:
        """Removes the file; one that is not there is no error."""
        with translated(f"{key} cannot be deleted", self.url):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = self.folder / checked_key(key)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise TenantplanError(f"{key} leads out of the folder", where=self.url, hint="remove the symbolic link")
        return path


def _write(part: Path, source: Path) -> None:
    with part.open("xb") as file:
        for chunk in source_chunks(source):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _sweep(target: Path) -> None:
    """Removes what killed processes have left of the same file."""
    for part in target.parent.iterdir():
        if part.name.startswith(f".{target.name}.") and part.suffix == ".part":
            try:
                if part.stat().st_mtime < time.time() - ABANDONED:
                    part.unlink()
            except FileNotFoundError:
                continue  # its own process was faster


def _sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
