"""The statements of an operation on a role or a database: what a plan previews is what a run executes.

Everything is composed from identifiers and literals. Passwords and stamps are not here: they depend on the moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from psycopg import sql

from tenantplan.errors import SettingsError
from tenantplan.model.operation import Operation
from tenantplan.model.resource import (
    INITIAL_DATABASES,
    MAX_NAME_BYTES,
    OWNER,
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    one,
    sides,
)
from tenantplan.model.stamp import NEW, TEMPLATE, TOMBSTONE

Statements = list[sql.Composed]

# Above this many bytes files are copied faster than blocks are logged: with 4 at once on two cores and one disk, a template
# of 24 MB took 57 ms (WAL_LOG) and 35 ms (FILE_COPY), 72 MB 220 and 140, 264 MB 740 and 170. An empty one of 8 MB takes the
# same time either way, and WAL_LOG forces no checkpoint on the databases beside it.
LARGE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Template:
    """The database that new ones are copies of, and its size in bytes."""

    name: str
    size: int

    @property
    def strategy(self) -> str:
        """How CREATE DATABASE copies it. https://www.postgresql.org/docs/current/sql-createdatabase.html"""
        return "FILE_COPY" if self.size > LARGE else "WAL_LOG"


TEMPLATE0 = Template("template0", 0)


def _f(text: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(text).format(**parts)


def preview(operation: Operation) -> tuple[str, ...]:
    """The statements as text for a plan, empty for rows, whose before and after say it all."""
    subject = operation.subject
    match subject:
        case Role():
            return tuple(s.as_string() for s in role(operation))
        case Database():
            return tuple(s.as_string() for s in (*creation(operation), *database(operation)))
        case Row() | Schema() | Package():
            return operation.statements
        case _:
            assert_never(subject)


def role(operation: Operation) -> Statements:
    """CREATE, ALTER or DROP ROLE with its memberships."""
    before, after = sides(operation, Role)
    check(after or before)
    if after is None:
        assert before is not None, "an operation is about something"
        name = sql.Identifier(before.name)
        return [_f("ALTER ROLE {name} NOLOGIN" if operation.retire else "DROP ROLE IF EXISTS {name}", name=name)]
    if before is not None:
        return _altered_role(before, after)
    name = sql.Identifier(after.name)
    grant = "GRANT {group} TO {name}"
    return created_role(after) + [_f(grant, group=sql.Identifier(group), name=name) for group in after.member_of]


def created_role(after: Role) -> Statements:
    """CREATE ROLE with its settings, without its memberships."""
    name = sql.Identifier(after.name)
    login = sql.SQL("LOGIN" if after.login else "NOLOGIN")
    made = _f(
        "CREATE ROLE {name} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT CONNECTION LIMIT {limit}",
        name=name,
        login=login,
        limit=sql.Literal(after.connection_limit),
    )
    return [made, *_timeout(name, 0, after.statement_timeout)]


def _timeout(name: sql.Identifier, before: int, after: int) -> Statements:
    if before == after:
        return []
    if not after:
        return [_f("ALTER ROLE {name} RESET statement_timeout", name=name)]
    return [_f("ALTER ROLE {name} SET statement_timeout = {ms}", name=name, ms=sql.Literal(f"{after}ms"))]


def _altered_role(before: Role, after: Role) -> Statements:
    found: Statements = []
    name = sql.Identifier(after.name)
    if before.name != after.name:
        found.append(_f("ALTER ROLE {old} RENAME TO {name}", old=sql.Identifier(before.name), name=name))
    if before.login != after.login:
        found.append(_f("ALTER ROLE {name} {login}", name=name, login=sql.SQL("LOGIN" if after.login else "NOLOGIN")))
    if before.connection_limit != after.connection_limit:
        limit = sql.Literal(after.connection_limit)
        found.append(_f("ALTER ROLE {name} CONNECTION LIMIT {limit}", name=name, limit=limit))
    for group in sorted(set(after.member_of) - set(before.member_of)):
        found.append(_f("GRANT {group} TO {name}", group=sql.Identifier(group), name=name))
    for group in sorted(set(before.member_of) - set(after.member_of)):
        found.append(_f("REVOKE {group} FROM {name}", group=sql.Identifier(group), name=name))
    for database in sorted(set(before.overridden_in) - set(after.overridden_in)):
        reset = "ALTER ROLE {name} IN DATABASE {database} RESET statement_timeout"
        found.append(_f(reset, name=name, database=sql.Identifier(database)))
    return found + _timeout(name, before.statement_timeout, after.statement_timeout)


def temporary(operation: Operation) -> str:
    """The name a database has until the transaction that makes it the real one."""
    return NEW + operation.id


def tombstone(operation: Operation) -> str:
    """The name a deleted database keeps its data under."""
    return TOMBSTONE + operation.id


def creation(operation: Operation, template: Template | None = None) -> Statements:
    """CREATE DATABASE under a temporary name, the one step PostgreSQL does not do in a transaction.

    Without the template, as in a plan, its name is that of its revision, and how it is copied is left open.
    """
    after = one(operation.after, Database)
    check(after)
    if operation.before is not None or after is None:
        return []
    cloned = operation.revisions and operation.clone
    source = f"{TEMPLATE}{operation.revisions[-1]}" if cloned else "template0"
    name = sql.Identifier(temporary(operation))
    if template is None:
        text = "CREATE DATABASE {name} TEMPLATE {source}" + _encoding(source) + " ALLOW_CONNECTIONS false"
        return [_f(text, name=name, source=sql.Identifier(source))]
    return [copied(name, template)]


def copied(name: sql.Identifier, template: Template) -> sql.Composed:
    """CREATE DATABASE in the way that is fastest for the template's size.

    PUBLIC may connect to a new database, so it takes no connections until a transaction says who may: see `opened`, `database`.
    """
    text = "CREATE DATABASE {name} TEMPLATE {source}" + _encoding(template.name)
    text += " STRATEGY {strategy} ALLOW_CONNECTIONS false"
    return _f(text, name=name, source=sql.Identifier(template.name), strategy=sql.SQL(template.strategy))


def _encoding(source: str) -> str:
    """What is made from nothing holds any text, on a server that was made for another encoding too."""
    return " ENCODING 'UTF8'" if source == "template0" else ""


def opened(name: str) -> sql.Composed:
    """Lets the owner of a database into it, and no other role; several statements, for one transaction."""
    text = "REVOKE ALL ON DATABASE {name} FROM PUBLIC; ALTER DATABASE {name} ALLOW_CONNECTIONS true"
    return _f(text, name=sql.Identifier(name))


def closed(name: str) -> sql.Composed:
    """Lets nobody connect to a database any more."""
    return _f("ALTER DATABASE {name} ALLOW_CONNECTIONS false", name=sql.Identifier(name))


def database(operation: Operation) -> Statements:
    """What follows in a transaction: name, owner, limits and who may connect. DROP DATABASE for a purge, outside one."""
    before, after = sides(operation, Database)
    check(after or before)
    if after is not None:
        created = Database(after.server, temporary(operation), allow_connections=False, connect=("PUBLIC",))
        new = before is None and after.holder is not None
        return [*_altered_database(before or created, after), *([migrated_by_owner(after.name)] if new else [])]
    assert before is not None, "an operation is about something"
    if not operation.retire:
        return [_f("DROP DATABASE IF EXISTS {name}", name=sql.Identifier(before.name))]
    kept = Database(before.server, tombstone(operation), before.owner, before.connection_limit, False, ())
    return _altered_database(before, kept)


def migrated_by_owner(database: str) -> sql.Composed:
    """Gives OWNER what migrations need of a database: schemas, extensions and temporary tables."""
    grant = "GRANT CREATE, TEMPORARY ON DATABASE {name} TO {owner}"
    return _f(grant, name=sql.Identifier(database), owner=sql.Identifier(OWNER))


def _altered_database(before: Database, after: Database) -> Statements:
    found: Statements = []
    name = sql.Identifier(after.name)
    if before.name != after.name:
        found.append(_f("ALTER DATABASE {old} RENAME TO {name}", old=sql.Identifier(before.name), name=name))
    if after.owner is not None and before.owner != after.owner:
        found.append(_f("ALTER DATABASE {name} OWNER TO {owner}", name=name, owner=sql.Identifier(after.owner)))
    if before.connection_limit != after.connection_limit:
        limit = sql.Literal(after.connection_limit)
        found.append(_f("ALTER DATABASE {name} CONNECTION LIMIT {limit}", name=name, limit=limit))
    if before.allow_connections != after.allow_connections:
        allowed = sql.SQL("true" if after.allow_connections else "false")
        found.append(_f("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}", name=name, allowed=allowed))
    if after.connect is not None:  # whoever may connect cannot while the database gets another name
        had = set(before.connect or ()) - (set(after.connect) if before.name != after.name else set())
        found += _altered_access(name, had, set(after.connect))
    return found


def _altered_access(name: sql.Identifier, before: set[str], after: set[str]) -> Statements:
    def grantee(role_name: str) -> sql.Composable:
        return sql.SQL("PUBLIC") if role_name == "PUBLIC" else sql.Identifier(role_name)

    revoke = "REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM {role}"
    grant = "GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {role}"
    gone = [_f(revoke, name=name, role=grantee(r)) for r in sorted(before - after)]
    return gone + [_f(grant, name=name, role=grantee(r)) for r in sorted(after - before)]


_ROLES = ("public", "none", "current_user", "current_role", "session_user")


def check(*resources: Resource | None) -> None:
    """SettingsError when a role or database has a name that no statement may be about, or is to be owned by or join such a role."""
    for resource in resources:
        match resource:
            case Role():
                _check("role", (resource.name, *resource.member_of), _ROLES)
            case Database():
                _check("database", (resource.name,), INITIAL_DATABASES)
                _check("role", (resource.owner,) if resource.owner else (), _ROLES)
            case Row() | Schema() | Package() | None:
                pass
            case _:
                assert_never(resource)


def _check(what: str, names: tuple[str, ...], reserved: tuple[str, ...]) -> None:
    for name in names:
        if not name or "\0" in name:
            raise SettingsError(f"{name!r} cannot be the name of a {what}")
        if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
            raise SettingsError(
                f"the name {name!r} of a {what} has over {MAX_NAME_BYTES} bytes: PostgreSQL would cut it"
            )
        if name.startswith("pg_") or name in reserved:
            raise SettingsError(f"the {what} {name} is PostgreSQL's own: tenantplan does nothing to it")
