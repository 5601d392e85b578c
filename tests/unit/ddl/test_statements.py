"""Statements about roles and databases, whoever let a name through until here: one statement, one name."""

from __future__ import annotations

from typing import Any

import postgast
import pytest

from tenantplan.ddl import statements
from tenantplan.errors import SettingsError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Role

pytestmark = pytest.mark.once

HOSTILE = (
    *(
        'a";DROP DATABASE x;--',
        "host=evil",
        "-Fc",
        "--help",
        "a'b",
        'a"b',
        "a\\b",
        "$(id)",
        "`id`",
        "%s",
        "{name}",
        "{}",
        "a;b",
    ),
    *(
        "a\nb",
        "/*",
        "--",
        "аcme",
        "ａcme",
        "a\u202eb",
        "Acme",
        " a ",
        "postgresql://evil",
        "SELECT",
        "x" * 63,
        "é" * 31,
    ),
)
REFUSED = ("", "a\0b", "x" * 64, "é" * 32, "pg_x", "pg_execute_server_program")
DATABASES = ("postgres", "template0", "template1")
ROLES = ("public", "none", "current_user")


def an_operation(before: Any, after: Any, *, retire: bool = False) -> Operation:
    return Operation("ab12", "a", "update", "safe", "s", True, "", before, after, "f", retire=retire)


def about_role(name: str) -> list[tuple[Any, Any, bool]]:
    role, other = (
        Role("primary", name, True, 5, ("rw",), None, "organization/a", 7),
        Role("primary", "known", holder="h"),
    )
    return [(None, role, False), (other, role, False), (role, None, True), (role, None, False),
            (None, Role("primary", "x", member_of=(name,)), False)]  # fmt: skip


def about_database(name: str) -> list[tuple[Any, Any, bool]]:
    made = Database("primary", name, "owner", 5, True, ("app",), "organization/a")
    other = Database("primary", "known", "other", -1, False, ("PUBLIC",), "organization/a")
    return [(None, made, False), (other, made, False), (made, None, True), (made, None, False)]


def listed(about: tuple[Any, Any, bool]) -> list[str]:
    before, after, retire = about
    operation = an_operation(before, after, retire=retire)
    made = statements.role(operation) if isinstance(after or before, Role) else (
        [*statements.creation(operation), *statements.database(operation)])  # fmt: skip
    return [statement.as_string() for statement in made]


def strings(message: Any) -> set[str]:
    """Every text in a parsed statement."""
    found: set[str] = set()
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for item in values:
            found |= strings(item) if hasattr(item, "ListFields") else {item} if isinstance(item, str) else set()
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_identifier_of_one_statement(name: str) -> None:
    for about in (*about_role(name), *about_database(name)):
        made = listed(about)
        parsed = [postgast.parse(text) for text in made]
        assert made and all(len(tree.stmts) == 1 for tree in parsed)
        assert any(name in strings(tree) for tree in parsed)


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_would_be_anothers_or_is_postgresqls_own_is_refused(name: str) -> None:
    for about in (*about_role(name), *about_database(name), (None, Database("primary", "x", name or "\0"), False)):
        with pytest.raises(SettingsError):
            listed(about)


def test_the_databases_and_roles_that_every_server_has() -> None:
    for about in [*(a for n in DATABASES for a in about_database(n)), *(a for n in ROLES for a in about_role(n))]:
        with pytest.raises(SettingsError, match="PostgreSQL's own"):
            listed(about)
