"""Connections within a budget, and the errors when there is none.

psycopg reports no SQLSTATE when connecting fails, so the server's words are matched here, once, and nowhere else.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from tenantplan.errors import ConnectError, SettingsError
from tenantplan.postgres.retry import Failure, T, retry
from tenantplan.postgres.scram_keys import learned_keys
from tenantplan.postgres.session import ALIVE, MARGIN, Session, Unanswered, answers
from tenantplan.postgres.url import Server
from tenantplan.postgres.values import without_values

Connection = psycopg.Connection[Any]
PATIENCE = 60.0  # seconds that a full server is waited for
OFTEN = 4  # sessions of one login after which it is worth one more to learn its SCRAM keys
PINNED = "-c search_path=pg_catalog,pg_temp -c timezone=UTC -c datestyle=ISO -c client_min_messages=warning"
READ_ONLY = " -c default_transaction_read_only=on -c idle_in_transaction_session_timeout=900s"
WRITING = " -c lock_timeout=60s"  # what somebody holds for ever fails one track, and the rest goes on
ROW_PATIENCE = "10s"  # a lock_timeout in the main database, where a session of the application may hold a row for ever
UNBOUNDED = 0.0  # a patience: for as long as it takes
# Migrations mean what their authors meant: times and dates as the database has them, names in public.
MIGRATING = "-c search_path=public,pg_temp -c client_min_messages=warning"

_NO_LOGIN = re.compile(r"authentication failed", re.I)
_BUSY = re.compile(r"too many clients|remaining connection slots|too many connections|in recovery|starting up", re.I)
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
    (_BUSY, "the server is out of connections: lower maxConnections, or raise max_connections there"),
)


class Connector:
    """Opens connections to the servers of a fleet, never more at once than `total` and each server's own budget.

    `tag` becomes application_name, by which a later run finds the sessions of a dead one. `patient` waits for a server
    that is out of connections instead of failing.
    """

    def __init__(
        self, servers: Mapping[str, Server], total: int, *, tag: str = "tenantplan", patient: bool = False
    ) -> None:
        self.servers = dict(servers)
        self.tag = tag
        self._patient = patient
        self._total = threading.BoundedSemaphore(total)
        self._each = {alias: threading.BoundedSemaphore(server.max_connections) for alias, server in servers.items()}
        self._opened: Counter[str] = Counter()
        self._keys: dict[str, dict[str, str]] = {}
        self._learning = threading.Lock()

    def add(self, server: Server) -> None:
        """Makes one more server known."""
        self.servers[server.alias] = server
        self._each[server.alias] = threading.BoundedSemaphore(server.max_connections)

    @contextmanager
    def connect(
        self,
        alias: str,
        dbname: str | None = None,
        *,
        read_only: bool = False,
        options: str = PINNED,
        patience: float | None = None,
    ) -> Iterator[Connection]:
        """A session in autocommit mode on a database (default: the server's maintenance database), closed at the end.

        `options` are its settings, as libpq takes them; `patience` is how many seconds one answer is waited for, None: the
        server's `timeouts.statement` when it is `read_only`, else without end.

        Raises ConnectError that names host, port and database, and what to check; of a read-only session also when the server
        is lost, does not answer in time, or cannot answer.
        """
        if alias not in self.servers:
            raise ConnectError(
                f"{alias} is not among the servers that can be used now", hint="declare it, or set its URL"
            )
        server = self.servers[alias]
        bound = server.timeouts.statement if patience is None and read_only else patience
        options += _bounds(server, bound) if read_only else WRITING if options == PINNED else ""
        with self.slot(alias):
            connection = self._open(server, dbname, options)
            connection.patience = bound + MARGIN if bound else None
            connection.alive = partial(answers, {**session_params(server), "dbname": server.maintenance})
            try:
                yield connection
            except psycopg.OperationalError as error:
                if not read_only:
                    raise
                raise lost(error, server, dbname or server.maintenance) from error
            finally:
                connection.close()

    @contextmanager
    def slot(self, alias: str) -> Iterator[None]:
        """Room for one session within the budget, for whoever opens it."""
        with self._each[alias], self._total:
            yield

    def parameters(self, alias: str, dbname: str | None) -> dict[str, str]:
        """libpq's parameters of a session for migrations, with the password, for another process."""
        server = self.servers[alias]
        return {
            **session_params(server),
            "dbname": _literal(dbname or server.maintenance),
            "application_name": self.tag,
            "options": MIGRATING,
        }

    def _open(self, server: Server, dbname: str | None, options: str) -> Session:
        def dial() -> Session:
            return self._dial(server, dbname or server.maintenance, options)

        return patiently(dial) if self._patient else dial()

    def _dial(self, server: Server, dbname: str, options: str) -> Session:
        keys = self._scram_keys(server)
        try:
            return _dial(server, dbname, self.tag, options, keys)
        except ConnectError as error:
            if not keys or not _NO_LOGIN.search(error.message):
                raise
        self._keys[server.alias] = {}  # the password was set anew since
        return _dial(server, dbname, self.tag, options, {})

    def _scram_keys(self, server: Server) -> dict[str, str]:
        """The SCRAM keys of a login that is used often, as libpq takes them."""
        with self._learning:
            self._opened[server.alias] += 1
            if not server.brought and server.alias not in self._keys and self._opened[server.alias] > OFTEN:
                self._keys[server.alias] = learned_keys({**session_params(server), "application_name": self.tag})
            return self._keys.get(server.alias, {})


def patiently(dial: Callable[[], T]) -> T:
    """A session, dialled again for PATIENCE seconds while the server is out of connections."""
    deadline = time.monotonic() + PATIENCE

    def pause(attempt: int, error: Failure) -> float | None:
        if not _BUSY.search(str(error)) or time.monotonic() > deadline:
            return None
        return min(0.1 * 2.0 ** (attempt - 1), 3.0) * random.uniform(0.5, 1.5)

    return retry(dial, pause)


def _bounds(server: Server, patience: float | None) -> str:
    """The settings of a session that reads: what it asks for ends on the server's side as well."""
    statement, lock = round((patience or 0) * 1000), round(server.timeouts.lock * 1000)
    return f"{READ_ONLY} -c statement_timeout={statement} -c lock_timeout={lock}"


def _dial(server: Server, dbname: str, tag: str, options: str, keys: Mapping[str, str]) -> Session:
    params = {**session_params(server), **keys, "dbname": _literal(dbname), "options": options, "application_name": tag}
    try:
        return Session.connect("", **params, autocommit=True)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise explain(error, server, dbname) from None
    except UnicodeError:
        raise ConnectError("the server's name cannot be read", where=server.place, hint="check the host name") from None


def session_params(server: Server) -> dict[str, str]:
    """What libpq is given to open a session, but for the database: with how long it may take, and what notices a dead host.

    A connection string of the fleet's own may say something else; one that a document brings may only shorten it.
    """
    longest = max(1, round(server.timeouts.connect))
    own = {"client_encoding": "UTF8", **server.session_params}
    said = int(own.get("connect_timeout") or 0)
    if server.brought:
        return {**own, **ALIVE, "connect_timeout": str(min(said or longest, longest))}
    return {**ALIVE, "connect_timeout": str(longest), **own}


def _literal(dbname: str) -> str:
    """A database name that libpq cannot take for a connection string (it would, given `=` or a URL)."""
    if "=" in dbname or "://" in dbname or "\0" in dbname:
        raise SettingsError(f"{dbname!r} cannot be a database name", hint="database names have no = and no ://")
    return dbname


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
        retryable=bool(_BUSY.search(text)),
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
