"""A temporary login with exactly the privileges of another role: created, used and dropped."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tenantplan.apply.effects.purge import drop_owned
from tenantplan.errors import ConnectError
from tenantplan.model.address import MAIN
from tenantplan.model.stamp import PROBE
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.queries import blocks, query
from tenantplan.postgres.url import Server

MINUTES = 10


@dataclass(frozen=True)
class Ground:
    """Where probes are made: the fleet's servers and main database. `mark` is the comment by which its probes are known."""

    connector: Connector
    main_database: str
    mark: str

    def database(self, alias: str) -> str | None:
        """The database from which roles of a server are made: the main one knows whose they are."""
        return self.main_database if alias == MAIN else None


@contextmanager
def probe(ground: Ground, alias: str, database: str, role: str) -> Iterator[Connection]:
    """A session on a database, as a role that is a member of `role` and has become it; what is bound stays bound.

    Raises ConnectError where the server does not let such a login in.
    """
    name, password = PROBE + secrets.token_hex(6), secrets.token_urlsafe(32)
    server = ground.connector.servers[alias]
    params = {k: v for k, v in server.session_params.items() if k not in ("sslcert", "sslkey")}
    ground.connector.add(Server(name, {**params, "user": name, "password": password}, 2))
    try:
        with ground.connector.connect(alias, ground.database(alias)) as admin:
            _make(admin, ground, name, password, role, bound=alias == MAIN)
        with ground.connector.connect(name, database) as session:
            session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            yield session
    finally:
        with ground.connector.connect(alias, ground.database(alias)) as admin:
            drop(ground, alias, admin, [name])


def refusal(connector: Connector, user: str, database: str) -> str | None:
    """Why the server does not let a probe into a database, in its words; None where it does.

    Raises ConnectError where the server did not decide: it is out of connections, or does not answer.
    """
    try:
        with connector.connect(user, database):
            return None
    except ConnectError as error:
        if error.retryable or error.silent:
            raise
        return error.message.rpartition(": ")[2]


def _make(admin: Connection, ground: Ground, name: str, password: str, role: str, bound: bool) -> None:
    verifier = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    until = admin.execute("SELECT (now() + make_interval(mins => %s))::text", [MINUTES]).fetchall()[0][0]
    with admin.transaction():
        admin.execute(
            sql.SQL(
                "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10 VALID UNTIL {} PASSWORD {}"
            ).format(sql.Identifier(name), sql.Literal(until), sql.Literal(verifier))
        )
        admin.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(ground.mark)))
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
        if bound:
            admin.execute(
                "INSERT INTO tenantplan.shared_roles (role_name, access, organization_id)"
                " SELECT %s, access, organization_id FROM tenantplan.shared_roles WHERE role_name = %s AND access = 'bound'",
                [name, role],
            )


def drop(ground: Ground, alias: str, admin: Connection, names: Sequence[str]) -> None:
    """Drops probes with what they left in databases, and forgets whose they were."""
    for name in names:
        dropping = sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name))
        try:
            admin.execute(dropping)
        except psycopg.errors.DependentObjectsStillExist:
            _clear(ground, alias, name, _leftovers(admin, name))
            admin.execute(dropping)
    if alias == MAIN:
        admin.execute("DELETE FROM tenantplan.shared_roles WHERE role_name = ANY(%s)", [list(names)])


def clear(ground: Ground, alias: str, name: str) -> list[str]:
    """Drops what a probe left, in the way of a purge; the databases in which something of it is there all the same."""
    databases = _leftovers_on(ground, alias, name)
    _clear(ground, alias, name, databases)
    return _leftovers_on(ground, alias, name)


def _clear(ground: Ground, alias: str, name: str, databases: Sequence[str]) -> None:
    for database in databases:
        with suppress(ConnectError, psycopg.Error), ground.connector.connect(alias, database) as inside:
            drop_owned(inside, [name])


def _leftovers_on(ground: Ground, alias: str, name: str) -> list[str]:
    """One session at a time: the budget may be as small as three, and the probe has one, and what it is tried on."""
    with ground.connector.connect(alias, ground.database(alias)) as admin:
        return _leftovers(admin, name)


def _leftovers(admin: Connection, name: str) -> list[str]:
    rows = admin.execute(query("left_behind"), {"roles": [name]}).fetchall()
    return sorted({database or admin.info.dbname for _, database, _ in rows})


def collect(ground: Ground, aliases: Sequence[str]) -> None:
    """Drops what an interrupted proof of this fleet left behind."""
    found = blocks("tenantplan.commands.isolation", "isolation.sql")["leftovers"]
    for alias in aliases:
        with suppress(psycopg.errors.UndefinedTable), ground.connector.connect(alias, ground.database(alias)) as admin:
            names = [row[0] for row in admin.execute(found, {"prefix": PROBE, "mark": ground.mark}).fetchall()]
            if names:
                drop(ground, alias, admin, names)
