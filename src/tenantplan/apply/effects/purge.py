"""What a role that is to be dropped left behind in other databases than its own: DROP ROLE fails as long as it is there.

Whoever logs in can leave something where everybody may connect, a large object or default privileges, and keep its own purge from
ever ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from tenantplan.apply.blame import blame
from tenantplan.apply.context import Run
from tenantplan.apply.effects import prepared
from tenantplan.errors import ConnectError, TenantplanError
from tenantplan.model.address import MAIN
from tenantplan.model.listing import some
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Role, befores, expect
from tenantplan.postgres import membership
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

_SHOWN = 5
_SETTINGS = "SET lock_timeout = '5s'; SET statement_timeout = '60s'"


def dropped_roles(operations: Sequence[Operation]) -> list[tuple[Operation, Role]]:
    """The operations that drop a role, each with the role."""
    return [(operation, role) for operation, role in befores(operations, Role) if operation.purges]


def clear_left_behind(run: Run, main: Connection, place: str, segment: Sequence[Operation]) -> None:
    """Drops what the roles that a segment drops own, in every database of the server but those that are dropped as a whole, and
    takes back what they were granted. Raises TenantplanError, of the operation, where something stays."""
    gone = {role.name: operation for operation, role in dropped_roles(segment)}
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
    role = expect(operation.before, Role).name
    error = TenantplanError(
        f"role {role} cannot be dropped: it owns, or was granted, something in database {database}"
        f" ({_named(run, place, database, role) or things}), which tenantplan cannot take away: {why}",
        where=run.connector.servers[place].place,
        hint=f"as a superuser, in database {database}: DROP OWNED BY {sql.Identifier(role).as_string()}; then apply again",
    )
    blame(error, operation)
    return error


def _named(run: Run, place: str, database: str, role: str) -> str:
    """The first objects by name, "" where nobody can look: only a session in their database knows their names."""
    try:
        with run.connector.connect(place, database) as inside:
            found = inside.execute(query("left_behind_here"), {"role": role, "shown": _SHOWN}).fetchall()
    except (ConnectError, psycopg.Error):
        return ""
    return some([name for name, _ in found], _SHOWN, found[0][1] if found else 0)


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
    _unlink_large_objects(inside, roles)
    for grantor in _names(inside, "grantors_here", roles):
        # What another's role granted stays, and is named afterwards.
        with suppress(psycopg.errors.InsufficientPrivilege):
            _revoke_granted(inside, roles, grantor)
    with inside.transaction():
        joined = membership.join(inside, roles)
        _drop(inside, roles)
        membership.leave(inside, joined)


def _unlink_large_objects(inside: Connection, roles: list[str]) -> None:
    """A few at a time: each one is a lock until the transaction ends, and the server has room for some thousands."""
    while _names(inside, "large_object_owners", roles):
        with inside.transaction():
            joined = membership.join(inside, roles)
            inside.execute(query("unlink_large_objects"), {"roles": roles})
            membership.leave(inside, joined)


def _revoke_granted(inside: Connection, roles: list[str], grantor: str) -> None:
    """What a role granted, as that role: PostgreSQL takes back only what who asks has granted, or the owner."""
    with inside.transaction():
        joined = membership.join(inside, [grantor])
        named = sql.Identifier(grantor)
        gone = sql.SQL(", ").join(map(sql.Identifier, roles))
        inside.execute(sql.SQL("GRANT {} TO {}").format(gone, named))
        inside.execute(sql.SQL("SET LOCAL ROLE {}").format(named))
        _drop(inside, roles)
        inside.execute("SET LOCAL ROLE NONE")
        inside.execute(sql.SQL("REVOKE {} FROM {}").format(gone, named))
        membership.leave(inside, joined)


def _drop(inside: Connection, roles: list[str]) -> None:
    inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.SQL(", ").join(map(sql.Identifier, roles))))


def _names(inside: Connection, name: str, roles: list[str]) -> list[str]:
    return [row[0] for row in inside.execute(query(name), {"roles": roles}).fetchall()]
