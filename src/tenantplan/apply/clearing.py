"""Ends sessions of logins that block a run.

A login that the server binds to one organization may lock the shared tables, or leave a transaction open in them. Any login of a
server may hold any database there, and its own role, so that nobody renames, drops or changes them (by ALTER ROLE CURRENT_USER
IN DATABASE …, not committed). Both would stop migrations, creations and purges of all for as long as it likes. In an organization's
own database, an index that is built concurrently waits for every transaction there, and the fleet's lock is held meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import psycopg

from tenantplan.apply.sessions import terminate
from tenantplan.errors import ConnectError
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.queries import query

LOOK = 1.0  # seconds between two looks
PATIENCE = 2  # looks in which a role stood in the way of everybody, before its sessions are ended
FORGOTTEN = 30.0  # seconds without standing in the way after which a role's looks are counted anew
_ANSWER = 10.0  # seconds that another server has for an answer


@dataclass(frozen=True)
class SessionWatch:
    """Sessions that wait on a server (`tag` is their application_name), the main database, and roles of the server: login roles
    of organizations, and those of them that are `bound` to one in the shared tables. Who holds up its own organization alone
    has `patience` seconds."""

    server: str
    tag: str
    main_database: str
    logins: Collection[str]
    bound: Collection[str]
    patience: float


@dataclass(frozen=True)
class Blocking:
    """A session that the run waits for: its process and role, and whether that holds up everybody."""

    pid: int
    role: str
    everybody: bool


@dataclass
class Sightings:
    """In how many looks each role stood in the way, and when it last did. Counted by role, since a login may come back with another
    session each time; one that waits for it once now and then is forgotten in between."""

    counted: dict[str, tuple[int, float]] = field(default_factory=dict)

    def stubborn(self, blocking: Sequence[Blocking], patience: float, now: float) -> Mapping[int, str]:
        """Counts one look; the processes to end, with their roles. `patience` and `now` are in seconds."""
        for role in {each.role for each in blocking}:
            count, last = self.counted.get(role, (0, now))
            self.counted[role] = (count + 1 if now - last < FORGOTTEN else 1, now)
        most = max(PATIENCE, patience / LOOK)
        return {b.pid: b.role for b in blocking if self.counted[b.role][0] >= (PATIENCE if b.everybody else most)}


@contextmanager
def clearing_blockers(
    watches: Sequence[SessionWatch], connector: Connector, holding: Connection, on_kept: Callable[[str], None]
) -> Iterator[None]:
    """While the block runs, ends sessions of logins that sessions of the run have waited for: for about two seconds where it is
    for databases and roles, or a bound one's for anything in the main database; anywhere else for the watch's patience.
    `holding` is a session of the main server that is not used meanwhile. `on_kept` hears, once, of a role whose sessions are
    in the way and which tenantplan's role may not end."""
    over = threading.Event()
    watchers = [
        threading.Thread(target=_watch, args=(watch, connector, holding, over, on_kept), daemon=True)
        for watch in watches
    ]
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()


def _watch(
    watch: SessionWatch,
    connector: Connector,
    holding: Connection,
    over: threading.Event,
    on_kept: Callable[[str], None],
) -> None:
    looks, kept = Sightings(), set[str]()
    while not over.wait(LOOK):
        try:
            with _session(watch, connector, holding) as session:
                for pid, role in _check(watch, session, looks).items():
                    if role not in kept:
                        kept.add(role)
                        on_kept(_sentence(connector, watch.server, role, pid))
        except ConnectError:
            continue  # what works there says so itself
        except psycopg.Error:
            if holding.closed or holding.broken:
                return  # the lock is lost with it, which the lease of the next run says


def _session(watch: SessionWatch, connector: Connector, holding: Connection) -> AbstractContextManager[Connection]:
    return nullcontext(holding) if watch.server == MAIN else connector.connect(watch.server, patience=_ANSWER)


def _check(watch: SessionWatch, session: Connection, looks: Sightings) -> Mapping[int, str]:
    """Ends those who stood in the way for too long; returns those of them that tenantplan's role may not end."""
    asked = {
        "tag": watch.tag,
        "database": watch.main_database if watch.server == MAIN else None,
        "logins": sorted(watch.logins),
        "bound": sorted(watch.bound),
    }
    blocking = [Blocking(*row) for row in session.execute(query("blocking_logins"), asked).fetchall()]
    stubborn = looks.stubborn(blocking, watch.patience, time.monotonic())
    if not stubborn:
        return {}
    ended = terminate(session, stubborn, stubborn.values())
    return {pid: role for pid, role in stubborn.items() if pid not in ended}


def _sentence(connector: Connector, server: str, role: str, pid: int) -> str:
    return (
        f"a session of role {role} on {connector.servers[server].place} (server process {pid}) holds what this run waits for, and"
        " tenantplan's role may not end it: pg_terminate_backend, by a superuser, does"
    )
