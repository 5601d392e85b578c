"""What to say when a server is out of reach, or does not answer.

psycopg reports no SQLSTATE when connecting fails, so the server's words are matched here, once, and nowhere else.
"""

from __future__ import annotations

import re

import psycopg

from tenantplan.errors import ConnectError
from tenantplan.postgres.session import Unanswered
from tenantplan.postgres.url import Server
from tenantplan.postgres.values import without_values

BUSY = re.compile(r"too many clients|remaining connection slots|too many connections|in recovery|starting up", re.I)


_ADVICE = (
    (
        re.compile(r"unsupported .*startup parameter", re.I),
        "a connection pooler such as PgBouncer answers there: give tenantplan the address of PostgreSQL itself",
    ),
    (
        re.compile(r"Connection refused|No such file or directory|could not connect", re.I),
        "nothing listens there: check host and port, that PostgreSQL runs, and the firewall",
    ),
    (re.compile(r"could not translate host name|Name or service not known|resolve", re.I), "check the host name"),
    (re.compile(r"timeout expired|timed out|No route|unreachable", re.I), "check host, port and firewall"),
    (
        re.compile(r"channel binding", re.I),
        "the server did not ask for a SCRAM password inside TLS, as channel_binding=require wants it to (tenantplan's default"
        " with TLS and a password): something may be in between. To log in another way (a client certificate, md5,"
        " a proxy that ends TLS), set channel_binding=prefer in the connection string",
    ),
    (
        re.compile(r"password authentication failed|no password supplied|SCRAM|SASL", re.I),
        "check user and password; special characters in a connection string are percent-encoded",
    ),
    (re.compile(r"pg_hba", re.I), "the server's pg_hba.conf does not let this user in from here (or asks for TLS)"),
    (
        re.compile(r"does not support SSL", re.I),
        "the server has no TLS, and sslmode asks for it (verify-full is tenantplan's default for a server that is not local):"
        " set ssl = on there; or, on a network that you trust, set sslmode=disable in the connection string",
    ),
    (
        re.compile(r"root certificate file|certificate verify failed", re.I),
        "sslmode asks to verify the server's certificate (verify-full is tenantplan's default for a server that is not local),"
        " and its authority is not known: name the CA file (sslrootcert=ca.pem in the connection string, or servers.NAME."
        "sslrootcert), or the authorities that this machine trusts (sslrootcert=system)",
    ),
    (
        re.compile(r"does not match host name", re.I),
        "connect by a name that the server's certificate holds: sslmode=verify-full verifies the identity of the server",
    ),
    (re.compile(r"private key", re.I), "check sslkey: a file that only its owner can read (chmod 600)"),
    (
        re.compile(r"client certificate", re.I),
        "name the client certificate and its key: sslcert and sslkey (connection string, or servers.NAME)",
    ),
    (
        re.compile(r"SSL|certificate|TLS", re.I),
        "check sslmode and sslrootcert, and that the server's certificate names this host",
    ),
    (
        re.compile(r"not currently accepting connections", re.I),
        "the database was closed: ALTER DATABASE … ALLOW_CONNECTIONS true opens it",
    ),
    (re.compile(r"permission denied for database", re.I), "the role may not CONNECT to this database"),
    (re.compile(r"database .* does not exist", re.I), "check the database name; tenantplan plan shows what is missing"),
    (re.compile(r"role .* does not exist", re.I), "check the user name"),
    (
        re.compile(r"out of shared memory|max_locks_per_transaction", re.I),
        "sessions hold so many locks that the server accepts no more connections: end the session that has most of them in pg_locks"
        " (on the server, in a session that is open), or restart PostgreSQL",
    ),
    (BUSY, "the server is out of connections: lower maxConnections, or raise max_connections there"),
)


def explain(error: psycopg.Error, server: Server, dbname: str) -> ConnectError:
    """A ConnectError for a failed connection: what libpq said, where, and what to check."""
    text = " ".join(str(error).split())
    said = re.sub(r"^connection failed: |connection to server (at|on) .*? failed: |^FATAL:\s+", "", text)
    said = re.sub(r"^FATAL:\s+", "", said).removesuffix(
        "Is the server running locally and accepting connections on that socket?"
    )
    said = said.split(" Multiple connection attempts")[0].removesuffix(
        "Is the server running on that host and accepting TCP/IP connections?"
    )
    advice = next((hint for pattern, hint in _ADVICE if pattern.search(text)), "check the connection string")
    return ConnectError(
        f"cannot connect to database {dbname}: {said.strip()}",
        where=f"server {server.alias}, {server.place}",
        hint=advice,
        retryable=bool(BUSY.search(text)),
        silent=isinstance(error, psycopg.errors.ConnectionTimeout),
    )


def lost(error: psycopg.OperationalError, server: Server, dbname: str) -> ConnectError:
    """A ConnectError for a question that was not answered: what happened, where, and what to check."""
    silent = isinstance(error, (Unanswered, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable))
    hint = next((text for kind, text in _LOST if isinstance(error, kind)), _GONE if error.sqlstate is None else _LOG)
    place = f"server {server.alias}, {server.place}, database {dbname}"
    said = str(error) if isinstance(error, Unanswered) else describe(error)
    return ConnectError(said, where=place, hint=hint, silent=silent)


_LOG = "see the server's log, and try again"


_GONE = "the connection broke: see the server's log, and try again once it accepts connections"


_HELD = (
    "another session holds it: SELECT * FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(…)) shows which; or wait longer"
    " (timeouts.lock in the fleet file)"
)


_LOST: tuple[tuple[type[psycopg.Error], str], ...] = (
    (Unanswered, "it accepts connections but does not answer: check whether PostgreSQL is stopped or hangs there"),
    (psycopg.errors.LockNotAvailable, _HELD),
    (psycopg.errors.QueryCanceled, "it took too long, or was cancelled there (timeouts.statement in the fleet file)"),
    (psycopg.errors.DiskFull, "the disk of the server is full: make room there, and try again"),
    (psycopg.errors.AdminShutdown, "the session was terminated, or the server was stopped: try again"),
    (psycopg.errors.CrashShutdown, "the server crashed: see its log, and try again once it accepts connections"),
    (psycopg.errors.OutOfMemory, "the server is out of memory: see its log"),
    (psycopg.errors.ConfigurationLimitExceeded, "a limit of the server was reached: see its log"),
)


def describe(error: psycopg.Error) -> str:
    """SQLSTATE and message of a failed statement, without values of rows: they stand in DETAIL, and in 22xxx messages."""
    if error.pgresult is None and error.sqlstate:  # of another process, which has described it
        return str(error)
    diag = error.diag
    state = error.sqlstate or "connection lost"
    name = type(error).__name__
    about = ", ".join(
        f"{label} {value}"
        for label, value in (
            ("table", diag.table_name),
            ("column", diag.column_name),
            ("constraint", diag.constraint_name),
        )
        if value
    )
    if error.sqlstate is None:
        return f"connection lost: {' '.join(str(error).split())}"
    if state == "22P05":
        return f"{state} the database's encoding has no such character: it was not made with UTF8"
    if state == "22023" and "does not match locale" in (diag.message_primary or ""):
        return (
            f"{state} {diag.message_primary}: make the server's databases with a UTF-8 locale, or C (initdb --locale)"
        )
    said = (diag.message_primary or "").strip()
    if state.startswith("22"):
        said = "" if diag.source_function == "exec_stmt_raise" else without_values(said)
    return f"{state} {said or name}" + (f" ({about})" if about else "")
