"""Names as identities print them: read strictly, so that what comes out of a database is quoted anew, and found in definitions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache

from psycopg import sql

IDENTIFIER = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
QUALIFIED = rf"{IDENTIFIER}\.{IDENTIFIER}"
_PART = re.compile(IDENTIFIER)
_DOTTED = re.compile(rf"{IDENTIFIER}(?:\.{IDENTIFIER})*")
_ROUTINE = re.compile(rf'(?P<name>{QUALIFIED})\((?P<arguments>(?:"(?:[^"]|"")+"|[A-Za-z0-9_ .,\[\]])*)\)')
_BODY = re.compile(r"\$(\w*)\$.*\$\1\$", re.DOTALL)


def parts(text: str) -> list[str]:
    """The parts of a dotted name, still quoted where they were; [] when the text is no such name."""
    return _PART.findall(text) if _DOTTED.fullmatch(text) else []


def identifier(text: str) -> sql.Identifier:
    """A dotted name, to be written into a statement; ValueError when the text is no such name."""
    found = parts(text)
    if not found:
        raise ValueError(f"not a name: {text}")
    return sql.Identifier(*(_bare(part) for part in found))


def split(text: str) -> tuple[str, str]:
    """A name and what it is in: ("public.donors", "email"). ValueError when the text is no name in something."""
    found = parts(text)
    if len(found) < 2:
        raise ValueError(f"not a name in something: {text}")
    return ".".join(found[:-1]), found[-1]


def routine(text: str) -> sql.Composed:
    """A function with its arguments' names and types, as DROP and GRANT take it; ValueError when the text is none."""
    match = _ROUTINE.fullmatch(text)
    if not match:
        raise ValueError(f"not a function: {text}")
    return sql.SQL("{}({})").format(identifier(match["name"]), sql.SQL(match["arguments"]))


def routine_name(text: str) -> str:
    """A function's name without its arguments; the text itself when it has none."""
    match = _ROUTINE.fullmatch(text)
    return match["name"] if match else text


def arguments(text: str) -> list[str]:
    """A function's arguments, each as it is printed."""
    match = _ROUTINE.fullmatch(text)
    return [part.strip() for part in re.findall(r'(?:"[^"]*"|[^",])+', match["arguments"])] if match else []


def schema_of(text: str) -> str:
    """The schema that a thing is in, "" for a thing that is in none: the first part of a name, that of a function as well."""
    return next(iter(parts(routine_name(text))), "")


def outside_body(text: str) -> str:
    """A function's definition without its body, which is not looked at when the function is made; other texts as they are."""
    return _BODY.sub("", text)


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether a definition speaks of all these names."""
    return all(name in text and _whole(name).search(text) for name in names)


def speaks_of_unknown(text: str, schema: str, known: Collection[str]) -> bool:
    """Whether a definition has a name in a schema that is none of the known ones."""
    found = re.findall(rf'(?<![\w".]){re.escape(schema)}\.({IDENTIFIER}|[^\w\s"])', text)
    return any(f"{schema}.{name}" not in known for name in found)


@cache
def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf'(?<![\w"]){re.escape(name)}(?![\w"])')


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
