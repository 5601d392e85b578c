"""Who holds up everybody is sent away: sessions of one organization's login that a run waits for.

A login that the server binds to one organization may lock the shared tables, or leave a transaction open in them. Any login may
hold any database of the server (ALTER ROLE CURRENT_USER IN DATABASE …, not committed) so that nobody renames or drops it. Both
would stop migrations, creations and purges of all for as long as it likes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tenantplan.execution.sessions import terminate
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

LOOK = 1.0  # seconds between two looks
PATIENCE = 2  # looks in which somebody stood in the way, before the session is ended


@dataclass(frozen=True)
class Watch:
    """Whose sessions wait (`tag` is their application_name), the main database, and roles of the main server: login roles of
    organizations, and those of them that are `bound` to one in the shared tables."""

    tag: str
    main_database: str
    logins: Collection[str]
    bound: Collection[str]


@contextmanager
def cleared(watch: Watch, session: Connection) -> Iterator[None]:
    """While the block runs, ends sessions of logins that sessions of the run have waited for, for about two seconds: of all logins
    for databases and roles, of bound ones for anything in the main database. `session` is one that is not used meanwhile."""
    if not watch.logins:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(watch, session, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(watch: Watch, session: Connection, over: threading.Event) -> None:
    seen: Counter[int] = Counter()
    asked = {
        "tag": watch.tag,
        "database": watch.main_database,
        "logins": sorted(watch.logins),
        "bound": sorted(watch.bound),
    }
    while not over.wait(LOOK):
        try:
            blocking = dict(session.execute(query("blocking_logins"), asked).fetchall())
            seen.update(blocking.keys())
            stubborn = {pid: role for pid, role in blocking.items() if seen[pid] >= PATIENCE}
            if stubborn:
                terminate(session, stubborn, stubborn.values())
        except psycopg.Error:
            if session.closed or session.broken:
                return  # the lock is lost with it, which the lease of the next run says
