"""What took long to find out, kept in files of this machine from one command to the next. Whoever asks for it can always do
without: a file that is missing, cut, edited, of somebody else or of another machine is none; what cannot be written is not kept.

Each file has a MAC of its name and its text. The key of that is made here and readable by nobody else, and counts only together
with what the file system says of its file, which a copy of the folder does not have: so a cache that came from elsewhere, such as
that of a CI service, is not believed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tenantplan import __version__

_KEY, _KEY_BYTES = "key", 32
_MOST = 64  # files; the oldest go first
_LARGEST = 64 * 1024 * 1024


class Kept:
    """A folder of such files. `about` says what a document depends on, everything but tenantplan and Python themselves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, about: Sequence[Any]) -> Any:
        """The document that was kept, None where there is none that can be believed."""
        key = self._key
        if key is None:
            return None
        with suppress(OSError, ValueError):
            name = _name(about)
            said, _, text = _own(self._folder / name, _LARGEST).partition(b"\n")
            if hmac.compare_digest(said, _mac(key, name, text)):
                return json.loads(text)
        return None

    def write(self, about: Sequence[Any], document: Any) -> None:
        """Keeps a document in place of what was kept before; readers see the one or the other."""
        with suppress(OSError):
            self._prepare()
            key, name, text = self._key, _name(about), json.dumps(document).encode()
            if key is not None and len(text) < _LARGEST:
                _replaced(self._folder / name, _mac(key, name, text) + b"\n" + text)
                self._forget_oldest()

    def mac(self, text: str) -> str:
        """What stands for a text that should not be kept itself; "" where nothing can be kept."""
        with suppress(OSError):
            self._prepare()
        return _mac(self._key, "", text.encode()).decode() if self._key is not None else ""

    @property
    def _key(self) -> bytes | None:
        """The key, with what the file system says of its file: None where it is not this user's alone."""
        try:
            folder = self._folder.lstat()
            if not stat.S_ISDIR(folder.st_mode) or not _is_ours(folder):
                return None
            with _opened(self._folder / _KEY) as (file, found):
                made = os.read(file, _KEY_BYTES)
        except (OSError, ValueError):
            return None
        return made + f"{found.st_ino} {found.st_ctime_ns}".encode() if len(made) == _KEY_BYTES else None

    def _prepare(self) -> None:
        """Makes the folder and the key, where there are none. OSError where they cannot be written."""
        if self._key is not None:
            return
        self._folder.parent.mkdir(exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if _is_ours(self._folder.lstat()):
            ignored = self._folder / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n", encoding="utf-8")
            _replaced(self._folder / _KEY, secrets.token_bytes(_KEY_BYTES))

    def _forget_oldest(self) -> None:
        files = [file for file in self._folder.iterdir() if file.name not in (_KEY, ".gitignore")]
        if len(files) > _MOST:
            for file in sorted(files, key=lambda file: file.stat().st_mtime)[:-_MOST]:
                file.unlink(missing_ok=True)


def _name(about: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps([code(), *about]).encode()).hexdigest()


def code() -> list[Any]:
    """What tells this tenantplan and this Python from others; in a checkout, from the one before an edit."""
    here = Path(__file__).parent
    files = [(file.relative_to(here).as_posix(), file.stat()) for file in sorted(here.rglob("*.py"))]
    return [__version__, sys.version, [[name, found.st_size, found.st_mtime_ns] for name, found in files]]


def _mac(key: bytes, name: str, text: bytes) -> bytes:
    return hmac.new(key, name.encode() + b"\n" + text, hashlib.sha256).hexdigest().encode()


def _is_ours(found: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and nobody else may read or write it."""
    return os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A plain file of this user's alone, opened; ValueError for another one."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
            raise ValueError("not a file of this user's alone")
        yield file, found
    finally:
        os.close(file)


def _own(path: Path, most: int) -> bytes:
    with _opened(path) as (file, found):
        if found.st_size > most:
            raise ValueError("too large")
        with os.fdopen(os.dup(file), "rb") as opened:
            return opened.read()


def _replaced(path: Path, content: bytes) -> None:
    """Writes a file in one step, readable by this user only."""
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
