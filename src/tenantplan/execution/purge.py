"""What a role that is to be dropped left behind in other databases than its own: DROP ROLE fails as long as it is there.

Whoever logs in can leave something where everybody may connect, a large object or default privileges, and keep its own purge from
ever ending.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from tenantplan.errors import ConnectError, TenantplanError
from tenantplan.execution import prepared
from tenantplan.execution.context import Run
from tenantplan.model.address import MAIN
from tenantplan.model.listing import some
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Role
from tenantplan.postgres import membership
from tenantplan.postgres.connect import Connection, describe
from tenantplan.postgres.queries import query

_SHOWN = 5
_SETTINGS = "SET lock_timeout = '5s'; SET statement_timeout = '60s'"


def drops_role(operation: Operation) -> bool:
    """Whether the operation drops a role."""
    return isinstance(operation.before, Role) and operation.after is None and not operation.retire


def clear_left_behind(run: Run, main: Connection, place: str, segment: Sequence[Operation]) -> None:
    """Drops what the roles that a segment drops own, in every database of the server but those that are dropped as a whole, and
    takes back what they were granted. Raises TenantplanError, of the operation, where something stays."""
    gone = {o.before.name: o for o in segment if drops_role(o) and isinstance(o.before, Role)}
    if not gone:
        return
    why: dict[str, str] = {}
    databases = sorted({database for _, database, _ in _left(run, main, place, list(gone))})
    for database in databases:
        try:
            with run.connector.connect(place, database) as inside:
                drop_owned(inside, list(gone))
        except ConnectError as lost:
            why[database] = lost.message
        except psycopg.Error as refused:
            why[database] = describe(refused)
    for role, database, things in _left(run, main, place, list(gone)) if databases else ():
        raise _kept(run, place, gone[role], database, things, why.get(database, "it is still there"))


def _kept(run: Run, place: str, operation: Operation, database: str, things: str, why: str) -> TenantplanError:
    assert isinstance(operation.before, Role)
    role = operation.before.name
    error = TenantplanError(
        f"role {role} cannot be dropped: it owns, or was granted, something in database {database}"
        f" ({_named(run, place, database, role) or things}), which tenantplan cannot take away: {why}",
        where=run.connector.servers[place].place,
        hint=f"as a superuser, in database {database}: DROP OWNED BY {sql.Identifier(role).as_string()}; then apply again",
    )
    error.operation = operation  # type: ignore[attr-defined]
    return error


def _named(run: Run, place: str, database: str, role: str) -> str:
    """The first objects by name, "" where nobody can look: only a session in their database knows their names."""
    try:
        with run.connector.connect(place, database) as inside:
            names = [name for (name,) in inside.execute(query("left_behind_here"), {"role": role}).fetchall()]
    except (ConnectError, psycopg.Error):
        return ""
    return some(names, _SHOWN)


def _left(run: Run, main: Connection, place: str, roles: list[str]) -> list[tuple[str, str, str]]:
    """(role, database, what kinds of things) by the shared catalog. What belongs to no database is asked for in the main one."""
    if place == MAIN:
        rows = main.execute(query("left_behind"), {"roles": roles}).fetchall()
        return [(role, database or run.main_database, things) for role, database, things in rows]
    with run.connector.connect(place) as there:
        rows = there.execute(query("left_behind"), {"roles": roles}).fetchall()
        return [(role, database or there.info.dbname, things) for role, database, things in rows]


def drop_owned(inside: Connection, roles: list[str]) -> None:
    """Drops what roles own in the connected database and takes back what they were granted, as a member of them until the
    transaction ends. Raises psycopg.Error. What they had prepared is rolled back before: it holds locks.
    """
    inside.execute(_SETTINGS)
    prepared.roll_back(inside, roles)
    with inside.transaction():
        joined = membership.join(inside, roles)
        inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.SQL(", ").join(map(sql.Identifier, roles))))
        membership.leave(inside, joined)
