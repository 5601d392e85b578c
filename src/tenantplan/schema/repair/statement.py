"""Parts of statements that several kinds of objects need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from psycopg import sql

from tenantplan.schema.repair.names import identifier, split


def alter(table: str, text: str, **parts: sql.Composable) -> sql.Composed:
    """ALTER TABLE with a clause, into which `parts` go."""
    return sql.SQL("ALTER TABLE {} {}").format(identifier(table), sql.SQL(text).format(**parts))


def drop(kind: str, name: str) -> sql.Composed:
    """DROP of something that has a name of its own: an index, a view."""
    return sql.SQL("DROP {} {}").format(sql.SQL(kind), identifier(name))


def drop_part(kind: str, name: str) -> sql.Composed:
    """DROP of something that a table has: "public.donors.kept" as a policy."""
    home, part = split(name)
    return sql.SQL("DROP {} {} ON {}").format(sql.SQL(kind), identifier(part), identifier(home))


def verbatim(definition: str) -> sql.Composed:
    """A definition that is a statement already, as the server printed it from what should be."""
    return sql.Composed([sql.SQL(definition)])


def options(text: str | None) -> dict[str, str]:
    """Storage parameters: "a=1,b='2'" -> {"a": "1", "b": "2"}."""
    pairs = (pair.strip().partition("=") for pair in (text or "").split(",") if pair)
    return {name: value.strip("'") for name, _, value in pairs}


def listed(given: dict[str, str]) -> sql.Composed:
    """Storage parameters with their values, as SET and WITH take them."""
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(_option(name), sql.Literal(text)) for name, text in given.items()
    )


def storage(kind: str, name: str, have: dict[str, str], want: dict[str, str]) -> Iterator[sql.Composed]:
    """ALTER TABLE or INDEX from one set of storage parameters to another."""
    place = sql.SQL("ALTER {} {} ").format(sql.SQL(kind), identifier(name))
    if gone := sorted(have.keys() - want.keys()):
        yield place + sql.SQL("RESET ({})").format(sql.SQL(", ").join(map(_option, gone)))
    if wrong := {option: text for option, text in want.items() if have.get(option) != text}:
        yield place + sql.SQL("SET ({})").format(listed(wrong))


def read(pattern: re.Pattern[str], definition: str | None) -> re.Match[str]:
    """A definition taken apart; every definition that the fingerprint makes matches its kind's pattern."""
    found = pattern.fullmatch(definition or "")
    assert found, (pattern.pattern, definition)
    return found


def _option(name: str) -> sql.Composed:
    # toast.autovacuum_enabled: a qualified name, of which each part is quoted.
    return sql.SQL(".").join(map(sql.Identifier, name.split(".")))
