"""Who holds up everybody is sent away: sessions of one organization's login that a run waits for.

A login that the server binds to one organization may lock the shared tables, or leave a transaction open in them. Any login may
hold any database of the server (ALTER ROLE CURRENT_USER IN DATABASE …, not committed) so that nobody renames or drops it. Both
would stop migrations, creations and purges of all for as long as it likes. In an organization's own database, an index that is
built concurrently waits for every transaction there, and the fleet's lock is held meanwhile.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psycopg

from tenantplan.errors import ConnectError
from tenantplan.execution.sessions import terminate
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.queries import query

LOOK = 1.0  # seconds between two looks
PATIENCE = 2  # looks in which somebody stood in the way of everybody, before the session is ended
_ANSWER = 10.0  # seconds that another server has for an answer


@dataclass(frozen=True)
class Watch:
    """Whose sessions wait on a server (`tag` is their application_name), the main database, and roles of the server: login roles
    of organizations, and those of them that are `bound` to one in the shared tables. Who holds up its own organization alone
    has `patience` seconds."""

    server: str
    tag: str
    main_database: str
    logins: Collection[str]
    bound: Collection[str]
    patience: float


@contextmanager
def cleared(watches: Sequence[Watch], connector: Connector, holding: Connection) -> Iterator[None]:
    """While the block runs, ends sessions of logins that sessions of the run have waited for: for about two seconds where it is
    for databases and roles, or a bound one's for anything in the main database; anywhere else for the watch's patience.
    `holding` is a session of the main server that is not used meanwhile."""
    over = threading.Event()
    watchers = [
        threading.Thread(target=_watch, args=(watch, connector, holding, over), daemon=True)
        for watch in watches
        if watch.logins
    ]
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()


def _watch(watch: Watch, connector: Connector, holding: Connection, over: threading.Event) -> None:
    seen: Counter[int] = Counter()
    while not over.wait(LOOK):
        try:
            with _session(watch, connector, holding) as session:
                _look(watch, session, seen)
        except ConnectError:
            continue  # what works there says so itself
        except psycopg.Error:
            if holding.closed or holding.broken:
                return  # the lock is lost with it, which the lease of the next run says


def _session(watch: Watch, connector: Connector, holding: Connection) -> AbstractContextManager[Connection]:
    return nullcontext(holding) if watch.server == MAIN else connector.connect(watch.server, patience=_ANSWER)


def _look(watch: Watch, session: Connection, seen: Counter[int]) -> None:
    """Counts who blocks, and ends those who did so for too long."""
    asked = {
        "tag": watch.tag,
        "database": watch.main_database if watch.server == MAIN else None,
        "logins": sorted(watch.logins),
        "bound": sorted(watch.bound),
    }
    blocking = session.execute(query("blocking_logins"), asked).fetchall()
    seen.update(pid for pid, _, _ in blocking)
    stubborn = {
        pid: role
        for pid, role, everybody in blocking
        if seen[pid] >= (PATIENCE if everybody else max(PATIENCE, watch.patience / LOOK))
    }
    if stubborn:
        terminate(session, stubborn, stubborn.values())
