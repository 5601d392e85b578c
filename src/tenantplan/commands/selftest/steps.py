"""The steps of the self-test. Each returns what it found, and raises what went wrong."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from psycopg import sql

from tenantplan.ddl.statements import TEMPLATE0, copied, opened
from tenantplan.errors import ConnectError, PrivilegeError, SchemaMismatch, TenantplanError
from tenantplan.fleet.opening import lone_connector
from tenantplan.migration.compile.compile import compile_path
from tenantplan.migration.running.sending import run_statements
from tenantplan.migration.tree.graph import Graph
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.databases import drop_database
from tenantplan.postgres.pooler import refuse_pooler
from tenantplan.postgres.queries import blocks, query
from tenantplan.postgres.run_sessions import end_sessions, tag
from tenantplan.postgres.url import Server

SPECIAL = "p@s:/?%#'\"\\!"
_SESSIONS = 3
_PER_ORGANIZATION = {"organizations": 1, "users": 2, "organization_members": 2, "projects": 2, "deployments": 4}
_PER_ORGANIZATION |= {"tenants": 1, "licenses": 1}


class Skipped(Exception):
    """A step that cannot be tried here, with the reason."""


@dataclass
class Bench:
    """Where the steps work: a server, the main tree, and `name`, that of the temporary database and of the temporary role.

    `begun`: something may have been made. `createrole`: whether the role that runs may make others.
    """

    server: Server
    tree: Graph
    name: str
    begun: bool = False
    createrole: bool = False
    connector: Connector = field(init=False)

    def __post_init__(self) -> None:
        self.connector = lone_connector(self.server, _SESSIONS, tag(self.name))

    @property
    def by_hand(self) -> str:
        """How a person removes what is left."""
        name = sql.Identifier(self.name).as_string()
        return f"by hand, in psql: DROP DATABASE IF EXISTS {name} WITH (FORCE); DROP ROLE IF EXISTS {name};"

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A session on the maintenance database."""
        with self.connector.connect(self.server.alias) as connection:
            yield connection

    @contextmanager
    def inside(self) -> Iterator[Connection]:
        """A session on the temporary database."""
        with self.connector.connect(self.server.alias, self.name) as connection:
            yield connection


def _connect(bench: Bench) -> str:
    with bench.outside() as connection:
        refuse_pooler(connection, bench.server.place)
        cursor = connection.execute(query("connection_facts"))
        facts = dict(zip([c.name for c in cursor.description or ()], cursor.fetchall()[0], strict=True))
    if not facts["createdb"]:
        raise PrivilegeError(
            f"the role {facts['role']} lacks CREATEDB",
            where=bench.server.place,
            hint=f"a superuser grants it: ALTER ROLE {sql.Identifier(facts['role']).as_string()} CREATEDB",
        )
    bench.createrole = facts["createrole"]
    return f"PostgreSQL {str(facts['version']).split(' ')[0]} at {bench.server.place}, role {facts['role']}"


def _create_database(bench: Bench) -> str:
    bench.begun = True
    with bench.outside() as connection:
        connection.execute(copied(sql.Identifier(bench.name), TEMPLATE0))
        connection.execute(opened(bench.name))
    return bench.name


def _log_in(bench: Bench) -> str:
    if not bench.createrole:
        raise Skipped("the role lacks CREATEROLE: apply needs it")
    password = SPECIAL + secrets.token_urlsafe(18)
    name = sql.Identifier(bench.name)
    with bench.outside() as connection:
        verifier = connection.pgconn.encrypt_password(password.encode(), bench.name.encode(), b"scram-sha-256")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier.decode())))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, name))
    try:
        _as_new_role(bench, password, {"require_auth": "scram-sha-256"})
    except ConnectError:
        asked = _as_new_role(bench, password, {})  # raises what is the matter
        if asked:
            hint = "pg_hba.conf should say scram-sha-256 where it now lets a password pass in the clear"
            raise ConnectError(
                "the server asks for the password itself, not for SCRAM-SHA-256", where=bench.server.place, hint=hint
            ) from None
        return "logged in, but pg_hba.conf asks for no password here"
    return f"SCRAM-SHA-256, a password with {SPECIAL}"


def _as_new_role(bench: Bench, password: str, more: Mapping[str, str]) -> bool:
    """Logs in with the temporary role; whether its password was asked for."""
    params = {**bench.server.session_params, "user": bench.name, "password": password, **more}
    with lone_connector(Server("new", params, 1), 1, bench.connector.tag).connect("new", bench.name) as connection:
        row = connection.execute("SELECT current_user::text").fetchone()
        assert row == (bench.name,)
        return bool(connection.pgconn.used_password)


def _migrate(bench: Bench) -> str:
    head = bench.tree.head
    if head is None:
        raise SchemaMismatch("the main tree has no revisions", where=str(bench.tree.directory))
    statements = compile_path(bench.tree, None, head)
    with bench.inside() as connection, connection.transaction():
        run_statements(connection, statements)
    return f"{len(bench.tree.revisions)} revisions of the main tree, to {head}"


def _create(bench: Bench) -> str:
    _statement(bench, "create")
    return "organizations with users, projects, deployments, a tenant and its license"


def _read(bench: Bench) -> str:
    with bench.inside() as connection:
        found = connection.execute(blocks("tenantplan.commands.selftest", "selftest.sql")["read"]).fetchall()
    expected = [(slug, 2, 2, 4, 1, "theme") for slug in ("leaving", "staying")]
    if found != expected:
        raise SchemaMismatch(f"reading with relations gave {found}, not {expected}")
    return "organization, users, projects, template, deployments, tenant, license, joined"


def _cascade_project(bench: Bench) -> str:
    _statement(bench, "delete_project")
    whole = {table: 2 * count for table, count in _PER_ORGANIZATION.items()}
    _expect(bench, {**whole, "projects": 3, "deployments": 6, "templates": 1})
    return "a deleted project took its deployments, and nothing else"


def _cascade_organization(bench: Bench) -> str:
    _statement(bench, "delete_organization")
    _expect(bench, {**_PER_ORGANIZATION, "templates": 1})
    return "a deleted organization took its users, projects, deployments and tenant, and nothing else"


def _statement(bench: Bench, block: str) -> None:
    with bench.inside() as connection:
        connection.execute(blocks("tenantplan.commands.selftest", "selftest.sql")[block])


def _expect(bench: Bench, expected: Mapping[str, int]) -> None:
    with bench.inside() as connection:
        found = dict(connection.execute(blocks("tenantplan.commands.selftest", "selftest.sql")["counts"]).fetchall())
    wrong = [f"{table}: {found[table]} rows, not {count}" for table, count in expected.items() if found[table] != count]
    if wrong:
        raise SchemaMismatch("; ".join(wrong))


def clean_up(bench: Bench) -> str:
    """Ends the sessions of this self-test, drops its database and its role, and looks whether they are gone."""
    if not bench.begun:
        raise Skipped("nothing was made")
    # An interrupted CREATE DATABASE goes on after its client.
    end_sessions(bench.connector, [bench.server.alias], [bench.name])
    name = sql.Identifier(bench.name)
    with bench.outside() as connection:
        drop_database(connection, bench.name)
        if bench.createrole:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        left = connection.execute(
            blocks("tenantplan.commands.selftest", "selftest.sql")["left_behind"], {"name": bench.name}
        ).fetchall()
    if left:
        raise TenantplanError(f"still there: {', '.join(kind for (kind,) in left)} {bench.name}")
    return "nothing is left behind"


_TREE = "compare spec.migrations.main with the main tree that comes with tenantplan; tenantplan migrations status"
_LOGIN = "see pg_hba.conf: it should let new roles in by scram-sha-256 from here"
# name, what it does, what to do when it fails and the error does not say it
STEPS: tuple[tuple[str, Callable[[Bench], str], str], ...] = (
    ("connect", _connect, "check the connection: tenantplan db test"),
    ("create database", _create_database, "see the server's log"),
    ("log in", _log_in, _LOGIN),
    ("migrate", _migrate, _TREE),
    ("create rows", _create, _TREE),
    ("read with relations", _read, _TREE),
    ("cascade of a project", _cascade_project, _TREE),
    ("cascade of an organization", _cascade_organization, _TREE),
)
