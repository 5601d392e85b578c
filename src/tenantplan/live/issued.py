"""Records of generated passwords in the main database; the passwords themselves are not read."""

from __future__ import annotations

from dataclasses import replace

from psycopg import sql

from tenantplan.model import address as addresses
from tenantplan.model.login import CURRENT, Issued
from tenantplan.model.resource import Role, State, one
from tenantplan.postgres.connect import Connection


def read_logins(connection: Connection, fleet: str) -> tuple[Issued, ...]:
    """Every one of the fleet, by server, role and state."""
    statement = sql.SQL(
        "SELECT id::text, holder, server, database_name, role_name, state, target, {set_at}, {superseded_at}, sessions_left,"
        " password IS NOT NULL, verifier_hash FROM public.database_logins WHERE managed_by = %s ORDER BY server, role_name, state"
    ).format(set_at=_precise("set_at"), superseded_at=_precise("superseded_at"))
    return tuple(Issued(*row) for row in connection.execute(statement, [fleet]))


def _precise(name: str) -> sql.Composed:
    """A timestamp as ISO 8601 in UTC, to the microsecond: sessions are told by it."""
    pattern = sql.Literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    return sql.SQL("to_char({} AT TIME ZONE 'UTC', {})").format(sql.Identifier(name), pattern)


def with_sessions_left(state: State, issued: tuple[Issued, ...]) -> State:
    """The state, each role knowing from before when sessions are left that have its former password."""
    found: State = {}
    for row in issued:
        role = one(state.get(addresses.role(row.server, row.role)), Role)
        if row.sessions_left and row.state == CURRENT and role is not None:
            found[addresses.role(row.server, row.role)] = replace(role, ends_before=row.set_at)
    return {**state, **found} if found else state
