"""Entering a tenant's database so that nothing in it runs with the rights of tenantplan's role.

Two layers. What tenantplan executes there runs as OWNER, a role without rights in the cluster that owns what migrations make. And
since code can take that role off again (RESET ROLE), nothing is executed where code of others is: whoever may plant some,
by a right that a person gave, is found by what it owns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tenantplan.errors import UntrustedCode
from tenantplan.model.resource import OWNER
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

_SET_OPTION = 160000  # the version from which being a member and SET ROLE are two things
_SHOWN = 5
LOCK_TIMEOUT, STATEMENT_TIMEOUT = 2000, 900_000  # ms, where the fleet file says no other
TIMEOUT = 60_000  # ms that reading the rows of a database, or a query of the fleet's own, may take
_NOBODY = "tenantplan_finds_code_of_others"  # a role that there is not
# Ends what ran as OWNER: what was deferred runs now, and not at the commit as somebody else.
LEAVE = "SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE; SET LOCAL search_path = pg_catalog, pg_temp"


@dataclass(frozen=True)
class Code:
    """An object that is code, or that code can hang on: its kind, its name as SQL writes it, and its owner."""

    kind: str
    identity: str
    owner: str

    @property
    def text(self) -> str:
        """For messages."""
        return f"{self.kind} {self.identity} of role {self.owner}"


class Suspected(Exception):
    """There may be code of others: `enter` tells. A message that began with `entering` ends there."""


def enter(
    connection: Connection,
    table: str | None = None,
    lock_timeout: int = LOCK_TIMEOUT,
    statement_timeout: int = STATEMENT_TIMEOUT,
    *,
    trusting: bool = False,
) -> bool:
    """Begins what happens in this transaction: search_path and timeouts (in ms) are set, and the role, if OWNER made `table`:
    whether it did.

    Raises CodeOfOthers, before anything of the database is read, unless `trusting`: in the main database, whose code is its
    owner's affair, and in one that an organization brought.
    """
    row = connection.execute(_entering(connection, table, lock_timeout, statement_timeout)).fetchone()
    if not trusting and (row is None or row[3]):
        found = untrusted_code(connection)
        if found:
            raise UntrustedCode(_message(found), where=f"database {connection.info.dbname}", hint=_hint(found[0]))
    return row is not None and row[4] is not None


def unhurried(statement_timeout: int) -> sql.Composed:
    """Settings of the session for a statement outside a transaction: it stands in nobody's way and, stopped, leaves things half
    done, so that it may take as long as it does, and waits for one lock for twice `statement_timeout` (in ms)."""
    settings = sql.SQL("SET search_path = public, pg_temp; SET lock_timeout = {}; SET statement_timeout = 0")
    return settings.format(sql.Literal(f"{2 * statement_timeout}ms"))


def entering(connection: Connection, table: str, lock_timeout: int, statement_timeout: int) -> sql.Composed:
    """The beginning as a statement, for a message that reads the database in its next one: where there may be code of others it
    fails (see `suspecting`), so that nothing else of the message runs."""
    stopped = sql.SQL("SELECT (CASE WHEN suspected THEN {} ELSE '-' END)::regrole FROM ({}) AS entered")
    return stopped.format(sql.Literal(_NOBODY), _entering(connection, table, lock_timeout, statement_timeout))


@contextmanager
def suspecting() -> Iterator[None]:
    """Raises Suspected where a message ended at `entering`."""
    try:
        yield
    except psycopg.errors.UndefinedObject as error:
        if _NOBODY not in (error.diag.message_primary or ""):
            raise
        raise Suspected from None


def _entering(connection: Connection, table: str | None, lock_timeout: int, statement_timeout: int) -> sql.Composed:
    named = {
        "table": sql.Identifier("public", table).as_string() if table else None,
        "set": "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER",
        "lock_timeout": f"{lock_timeout}ms",
        "statement_timeout": f"{statement_timeout}ms",
    }
    text = re.sub(r"%\((\w+)\)s", r"{\1}", query("enter").decode())
    return sql.SQL(text).format(**{name: sql.Literal(value) for name, value in named.items()})


def untrusted_code(connection: Connection) -> list[Code]:
    """Code of the connected database that is neither tenantplan's nor of whom it trusts, functions first; search_path is pinned."""
    return [Code(*row) for row in connection.execute(query("untrusted_code")).fetchall()]


def show_rows_of(connection: Connection, organization: str) -> None:
    """Makes row level security show the rows of one organization, by its id, until the transaction ends; "" shows none."""
    connection.execute("SELECT pg_catalog.set_config('tenantplan.organization_id', %s, true)", [organization])


def may_be_owner(connection: Connection) -> bool:
    """Whether the connected role can act as OWNER: it may have been made by another administrator's tenantplan."""
    right = "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER"
    asked = "SELECT pg_has_role(session_user, oid, %s) FROM pg_roles WHERE rolname = %s"
    row = connection.execute(asked, [right, OWNER]).fetchone()
    return row is not None and bool(row[0])


def _message(found: list[Code]) -> str:
    listed = ", ".join(code.text for code in found[:_SHOWN])
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"contains untrusted code, which tenantplan would run: {listed}{more}; nothing was done"


def _hint(code: Code) -> str:
    what = f"{code.kind.upper()} {code.identity}"
    if code.kind == "schema":
        return f"give it back: ALTER {what} OWNER TO pg_database_owner"
    if code.owner == OWNER:
        return f"it has members that are not administrators, or it may log in: REVOKE {OWNER} from them, ALTER ROLE {OWNER} NOLOGIN"
    drop = f"read it, then drop it: DROP {what}"
    return drop if code.kind == "extension" else f"{drop}, or take it over: ALTER {what} OWNER TO {OWNER}"


def returns_rows(connection: Connection, text: str, organization: str | None = None, *, trusting: bool = False) -> bool:
    """Whether a query returns a row, asked read-only and taken back. `organization` is the id that row level security shows.

    `trusting` is that of `enter`. Raises psycopg.Error, or CodeOfOthers.
    """
    with connection.transaction(force_rollback=True):
        enter(connection, trusting=trusting, statement_timeout=TIMEOUT)
        connection.execute("SET LOCAL search_path = public, pg_temp; SET TRANSACTION READ ONLY")
        if organization is not None:
            show_rows_of(connection, organization)
        return connection.execute(text.strip().rstrip(";").encode()).fetchone() is not None
