"""Who may use the tenant tables of the main database: privileges of the groups, and the organization of each login."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from tenantplan.apply.context import Run
from tenantplan.errors import TenantplanError
from tenantplan.model.resource import Role
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

RIGHTS = {"write": "SELECT, INSERT, UPDATE, DELETE", "read": "SELECT"}


def write_access(run: Run, connection: Connection, before: Role | None, after: Role | None) -> None:
    """Writes down what a role of the main server may do in the main database, and gives it the rights for it, in the current
    transaction of a session on that database."""
    had = None if before is None else before.access
    wanted = None if after is None else after.access
    if (had, before and before.name, before and before.holder) == (
        wanted,
        after and after.name,
        after and after.holder,
    ):
        return
    names = sorted({role.name for role in (before, after) if role is not None})
    if had is not None:
        connection.execute("DELETE FROM tenantplan.shared_roles WHERE role_name = ANY(%s)", [names])
    if after is None or wanted is None:
        if had in RIGHTS and after is not None:
            _revoke(connection, after.name)
        return
    organization = _organization(run, after) if wanted == "bound" else None
    connection.execute(
        "INSERT INTO tenantplan.shared_roles (role_name, access, organization_id) VALUES (%s, %s, %s)"
        " ON CONFLICT (role_name) DO UPDATE SET access = excluded.access, organization_id = excluded.organization_id",
        [after.name, wanted, organization],
    )
    if wanted in RIGHTS:
        _give(connection, after.name, wanted)


def share(connection: Connection) -> None:
    """Gives the groups their rights on every tenant table, after a migration made or changed some."""
    rows = connection.execute("SELECT to_regclass('tenantplan.shared_roles') IS NOT NULL").fetchall()
    if not rows[0][0]:
        return  # a main tree of the fleet's own, which is older
    groups = connection.execute(
        "SELECT role_name, access FROM tenantplan.shared_roles JOIN pg_roles ON rolname = role_name WHERE access = ANY(%s)",
        [list(RIGHTS)],
    ).fetchall()
    for name, access in groups:
        _give(connection, name, access)


def _organization(run: Run, role: Role) -> str:
    found = run.ids.get(role.holder or "")
    if found is None:
        raise TenantplanError(f"role {role.name} is for {role.holder}, which has no row yet")
    return found


def _give(connection: Connection, name: str, access: str) -> None:
    """Exactly these rights on the tables that divide their rows by organization, and what using them takes."""
    role, database = sql.Identifier(name), sql.Identifier(connection.info.dbname)
    parts = [
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
    ]
    for table, sequences in _divided(connection):
        parts.append(sql.SQL("REVOKE ALL ON {} FROM {}").format(table, role))
        parts.append(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(RIGHTS[access]), table, role))
        if access == "write":
            parts += [sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(s, role) for s in sequences]
    connection.execute(sql.SQL("; ").join(parts))


def _revoke(connection: Connection, name: str) -> None:
    role, database = sql.Identifier(name), sql.Identifier(connection.info.dbname)
    parts = [sql.SQL("REVOKE CONNECT ON DATABASE {} FROM {}").format(database, role)]
    for table, sequences in _divided(connection):
        parts += [sql.SQL("REVOKE ALL ON {} FROM {}").format(thing, role) for thing in (table, *sequences)]
    connection.execute(sql.SQL("; ").join(parts))


def _divided(connection: Connection) -> Iterator[tuple[sql.Identifier, list[sql.Identifier]]]:
    for _, schema, table, sequences in connection.execute(query("divided_tables")).fetchall():
        yield sql.Identifier(schema, table), [sql.Identifier(*sequence) for sequence in sequences]
