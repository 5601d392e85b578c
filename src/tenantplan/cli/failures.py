"""Errors in the requested format: a JSON document or annotations, on stdout."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from tenantplan.errors import ManifestError, RevisionsRefused, TenantplanError

COMMANDS = ("validate", "plan", "status", "drift")  # which print their result at once, at the end
_PLACE = re.compile(r"(?P<file>\S.*?\.(?:py|sql|ya?ml|json|toml|mako))(?::(?P<line>\d+))?(?::(?P<column>\d+))?")


def show(error: Exception, message: str, code: int, arguments: Sequence[str]) -> None:
    """Prints an error on stdout where the command was asked for JSON or annotations; `message` is its text."""
    form = requested_format(arguments)
    if form == "json":
        from tenantplan.cli.common import print_json

        print_json({"exitCode": code, "errors": described(error, message)})
    elif form == "github":
        for found in described(error, message):
            click.echo(_annotation(found, arguments))


def requested_format(arguments: Sequence[str]) -> str:
    """The output format of a command line: json, github, or "" for another or a command that prints as it goes."""
    pairs = list(_pairs(arguments))
    command = next((word for before, word in pairs if not word.startswith("-") and before != "--fleet"), "")
    if command not in COMMANDS:
        return ""
    if any(word == "--json" for _, word in pairs):
        return "json"
    named = [word for before, word in pairs if before == "--format"]
    return named[-1] if named and named[-1] in ("json", "github") else ""


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word of a command line after the one before it; `--format=json` is two."""
    words = [part for argument in arguments for part in argument.split("=", 1)]
    return itertools.pairwise(["", *words])


def described(error: Exception, message: str) -> list[dict[str, Any]]:
    """One document for each mistake: code, message, file, line, column, field, where and hint."""
    nothing = dict.fromkeys(("file", "line", "column", "field", "where", "hint"))
    if isinstance(error, ManifestError):
        return [{**nothing, **problem.document()} for problem in error.found]
    if isinstance(error, RevisionsRefused):
        return [each for refused in error.found for each in described(refused, str(refused))]
    if not isinstance(error, TenantplanError):
        usage = isinstance(error, click.ClickException)
        text = error.message if isinstance(error, click.ClickException) else message
        return [{**nothing, "code": "usage" if usage else "unexpected", "message": text}]
    place = _PLACE.fullmatch(error.where)
    where: dict[str, Any] = {"where": error.where or None}
    if place is not None:
        where |= {"file": _relative(place["file"], Path.cwd())}
        where |= {name: int(place[name]) for name in ("line", "column") if place[name]}
    return [{**nothing, **where, "code": _code(error), "message": error.message, "hint": error.hint or None}]


def _code(error: TenantplanError) -> str:
    words = re.findall(r"[A-Z][a-z]+", type(error).__name__.removesuffix("Error"))
    return error.code or "-".join(word.lower() for word in words) or "error"


def _annotation(found: dict[str, Any], arguments: Sequence[str]) -> str:
    from tenantplan.rendering.github import annotation

    text = ". ".join(part for part in (found["message"], found["hint"]) if part)
    file = _in_repository(found["file"], arguments) if found["file"] else None
    title = found["field"] or (found["where"] if not file else None) or found["code"]
    return annotation("error", text, file=file, line=found["line"], col=found["column"], title=title)


def _in_repository(file: str, arguments: Sequence[str]) -> str:
    """A file of the fleet as the repository knows it, which may have the fleet in a folder."""
    from tenantplan.settings.settings import find

    flag = next((word for before, word in _pairs(arguments) if before == "--fleet"), None)
    try:
        root = find(Path.cwd(), flag).parent
    except TenantplanError:
        root = Path.cwd()
    return _relative(str(root / file), Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()))


def _relative(file: str, folder: Path) -> str:
    path, folder = Path(file), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file
