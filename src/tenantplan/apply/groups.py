"""The groups that every fleet of a server uses: the first fleet creates them, the others use them."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from tenantplan.apply.blame import blame, blamed
from tenantplan.apply.context import Run
from tenantplan.apply.effects.role_creators import FROM
from tenantplan.errors import PrivilegeError
from tenantplan.model import stamp
from tenantplan.model.common_group import makes_common_group
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Role, afters
from tenantplan.postgres.connect import Connection


def missing(connection: Connection, operations: Sequence[Operation]) -> list[Operation]:
    """The operations without those whose common group another fleet has made since the plan."""
    wanted = {o.id: role.name for o, role in afters(operations, Role) if makes_common_group(o)}
    if not wanted:
        return list(operations)
    rows = connection.execute(
        "SELECT rolname::text, shobj_description(oid, 'pg_authid') FROM pg_roles"
        " WHERE rolname = ANY(%s) AND NOT rolcanlogin",
        [sorted(set(wanted.values()))],
    ).fetchall()
    made = {name for name, comment in rows if stamp.decode(comment).get("kind") == "group"}
    return [o for o in operations if wanted.get(o.id) not in made]


def is_conflict(error: psycopg.Error) -> bool:
    """Whether a statement failed because another session changed the same roles or databases at that moment."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return error.diag.schema_name == "pg_catalog"
    return isinstance(error, (psycopg.errors.DuplicateObject, psycopg.errors.InternalError_))


def explained(
    run: Run, connection: Connection, place: str, segment: Sequence[Operation], error: Exception
) -> Exception:
    """The error of a segment; where a group may not be granted, one that says which and what a superuser has to run.

    From PostgreSQL 16 on, only who has the ADMIN OPTION on a group may grant it: the role that made it, at first.
    """
    if not isinstance(error, psycopg.errors.InsufficientPrivilege) or run.servers.versions.get(place, 0) < FROM:
        return error
    wanted = sorted({group for _, role in afters(segment, Role) for group in role.member_of})
    rows = connection.execute(
        "SELECT rolname::text FROM pg_roles"
        " WHERE rolname = ANY(%s) AND NOT pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') ORDER BY 1",
        [wanted],
    ).fetchall()
    if not rows:
        return error
    user = connection.info.user
    named = sql.SQL(", ").join(sql.Identifier(name) for (name,) in rows).as_string()
    grant = f"GRANT {named} TO {sql.Identifier(user).as_string()} WITH ADMIN OPTION"
    refused = PrivilegeError(
        f"the role {user} may not grant {named}, which another role created",
        where=run.connector.servers[place].place,
        hint=f"have a superuser run there: {grant}; then apply again",
    )
    blame(refused, blamed(error) or segment[0])
    refused.__cause__ = error
    return refused
