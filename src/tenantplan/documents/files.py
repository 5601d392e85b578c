"""Which files hold documents, and their text: found in a stable order, checked for size and encoding before parsing."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tenantplan.documents.characters import REFUSED_RAW, describe
from tenantplan.documents.source import FILE, Problem, Problems, SourceText

MAX_BYTES = 10 * 1024 * 1024
DEEPEST = 100  # folders
_SHOWN = 60  # characters of a name that is too long
_PART = 64 * 1024  # bytes read at once
_SUFFIXES = (".yaml", ".yml")
_UTF16 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE_AS = "save the file as UTF-8 without a byte order mark"


def read_files(root: Path, paths: Iterable[str | Path], problems: Problems) -> Iterator[SourceText]:
    """The text of every YAML file at or under `paths`, each file once; what cannot be read becomes a problem."""
    seen: set[str] = set()
    for given in paths:
        top = Path(os.path.normpath(root / given))
        real = os.path.realpath(top)
        for path, shown in _walk(
            str(top), real, (os.path.realpath(root), real), _display_path(root, top), seen, problems
        ):
            text = _read(path, shown, problems)
            if text is not None:
                yield text


def _display_path(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _walk(
    path: str, real: str, inside: tuple[str, str], shown: str, seen: set[str], problems: Problems
) -> Iterator[tuple[str, str]]:
    """Files under `path`, whose own place is `real`, sorted, each with its name for people. Links are followed within `inside`
    only, and nothing is visited twice."""
    if real in seen:
        return
    seen.add(real)
    if not any(real == folder or real.startswith(f"{folder.rstrip('/')}/") for folder in inside):
        _fail(problems, shown, "this link leads out of the fleet's folder", "copy the file in instead")
        return
    if shown.count("/") > DEEPEST:
        _fail(
            problems, f"{shown[:_SHOWN]}…", f"is nested deeper than {DEEPEST} folders", "move what is in it further up"
        )
        return
    try:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            yield path, shown
            return
        with os.scandir(path) as found:
            entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        _fail(problems, shown, f"cannot be read: {error.strerror or error}")
        return
    above = "" if shown == "." else f"{shown}/"
    for entry in entries:
        if entry.name.lower().endswith(_SUFFIXES) or entry.is_dir():
            there = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{entry.name}"
            yield from _walk(entry.path, there, inside, f"{above}{entry.name}", seen, problems)


def _read(path: str, shown: str, problems: Problems) -> SourceText | None:
    """The text of one file; None when a problem was added instead."""
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            _fail(problems, shown, "is not a regular file")
            return None
        data = _bytes(path) if facts.st_size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:
        _fail(problems, shown, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if max(facts.st_size, len(data)) > MAX_BYTES:
        _fail(problems, shown, f"is larger than {MAX_BYTES >> 20} MB", "split it into several files")
        return None
    return _decode(data, shown, problems)


def _bytes(path: str) -> bytes:
    """A file's bytes, a little more than allowed at most. In parts: room for MAX_BYTES takes longer to make than a file to read."""
    with open(path, "rb", buffering=0) as file:
        parts = [file.read(_PART)]
        while parts[-1] and sum(map(len, parts)) <= MAX_BYTES:
            parts.append(file.read(_PART))
    return b"".join(parts)


def _decode(data: bytes, shown: str, problems: Problems) -> SourceText | None:
    if data.startswith(_UTF16):
        _fail(problems, shown, "is UTF-16 or UTF-32, not UTF-8", _SAVE_AS)
        return None
    if data.startswith(codecs.BOM_UTF8):
        _fail(problems, shown, "starts with a byte order mark (BOM)", _SAVE_AS)
        return None
    try:
        source = SourceText(shown, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1)
        problems.add(Problem(SourceText(shown).place(line, column), "is not UTF-8", _SAVE_AS, code=FILE))
        return None
    refused = REFUSED_RAW.search(source.text)
    if refused is None:
        return source
    line = source.text.count("\n", 0, refused.start())
    column = refused.start() - (source.text.rfind("\n", 0, refused.start()) + 1)
    hint = _SAVE_AS if refused[0] == "\0" else "remove the character: it cannot be seen, or it reorders the text"
    problems.add(
        Problem(source.place(line, column), f"{describe(refused[0])} is not allowed in a file", hint, source, code=FILE)
    )
    return None


def _fail(problems: Problems, shown: str, message: str, hint: str = "") -> None:
    problems.add(Problem(SourceText(shown).place(0, 0), message, hint, code=FILE))
