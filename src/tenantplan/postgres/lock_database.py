"""The database that a fleet's lock is taken in: advisory keys belong to a database, and whoever can connect to one can take any.

It holds nothing, and nobody but its owner, tenantplan's role, may connect to it. It is made when it is first needed.
"""

from __future__ import annotations

import hashlib
import time

import psycopg
from psycopg import sql

from tenantplan.errors import PrivilegeError, TenantplanError
from tenantplan.model import stamp
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

PATIENCE = 30.0  # seconds for others who make or open it at the same time


def lock_database(main_database: str) -> str:
    """The name of the database that the lock of a main database's fleet is taken in."""
    return f"{stamp.LOCK}{hashlib.sha256(main_database.encode()).hexdigest()[:16]}"


def ensure_lock_database(connection: Connection, fleet: str, main_database: str) -> str:
    """Its name; it is there afterwards, and nobody but its owner may connect to it.

    `connection` is a session on another database of the main server. Raises PrivilegeError where the role may not make it.
    """
    name = lock_database(main_database)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = connection.execute(query("lock_database"), {"name": name}).fetchone()
        if row is not None and row[0]:
            return name
        try:
            if row is None:
                _create(connection, name)
            else:
                _open(connection, name, fleet, main_database)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_):
            time.sleep(0.05)  # somebody else makes it, or opens it ("tuple concurrently updated")
        except psycopg.errors.InsufficientPrivilege as error:
            raise _refused(connection, name, error) from error
    raise TenantplanError(
        f"database {name} is being created, but does not become ready", hint="see who: pg_stat_activity"
    )


def _create(connection: Connection, name: str) -> None:
    created = "CREATE DATABASE {} TEMPLATE template0 ALLOW_CONNECTIONS false"
    connection.execute(sql.SQL(created).format(sql.Identifier(name)))


def _open(connection: Connection, name: str, fleet: str, main_database: str) -> None:
    comment = stamp.encode({"kind": "lock", "fleet": fleet, "main": main_database})
    named = sql.Identifier(name)
    with connection.transaction():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(named))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(named, sql.Literal(comment)))
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(named))


def _refused(connection: Connection, name: str, error: psycopg.Error) -> PrivilegeError:
    role = sql.Identifier(connection.info.user).as_string()
    return PrivilegeError(
        f"the role {connection.info.user} may not make or open database {name}, in which the fleet's lock is taken:"
        f" {error.diag.message_primary}",
        where=f"{connection.info.host}:{connection.info.port}",
        hint=f"a superuser grants it: ALTER ROLE {role} CREATEDB; or, where the database is another role's:"
        f" ALTER DATABASE {sql.Identifier(name).as_string()} OWNER TO {role}",
    )
