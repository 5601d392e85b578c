"""Connections within a budget."""

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
from tenantplan.postgres.advice import BUSY, explain, lost
from tenantplan.postgres.retry import Failure, T, retry
from tenantplan.postgres.scram_keys import learned_keys
from tenantplan.postgres.session import ALIVE, MARGIN, Session, answers
from tenantplan.postgres.url import Server

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
        if not BUSY.search(str(error)) or time.monotonic() > deadline:
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
