"""Who holds up everybody is sent away: sessions of one organization that a run waits for in the main database.

A login that the server binds to one organization may lock the shared tables, or leave a transaction open in them, for as long as
it likes: every migration of those tables, and whatever else takes a lock there, would wait for it, and all organizations with it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psycopg

from tenantplan.execution.context import Run, tag
from tenantplan.execution.sessions import become
from tenantplan.model.address import MAIN
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query

LOOK = 1.0  # seconds between two looks
PATIENCE = 2  # looks in which somebody stood in the way, before the session is ended


@contextmanager
def cleared(run: Run, session: Connection, logins: Collection[str]) -> Iterator[None]:
    """While the block runs, ends sessions of `logins`, roles of the main server, that sessions of the run have waited for in
    the main database for about two seconds. `session` is one that the run does not use meanwhile."""
    if not logins:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(run, session, sorted(logins), over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(run: Run, session: Connection, logins: list[str], over: threading.Event) -> None:
    seen: Counter[int] = Counter()
    asked = {"tag": tag(run.id), "database": run.main_database, "roles": logins}
    while not over.wait(LOOK):
        try:
            blocking = dict(session.execute(query("blocking_logins"), asked).fetchall())
            seen.update(blocking.keys())
            stubborn = {pid: role for pid, role in blocking.items() if seen[pid] >= PATIENCE}
            if stubborn:
                with run.catalog_locks[MAIN], session.transaction(force_rollback=True):
                    become(session, sorted(set(stubborn.values())))
                    session.execute(query("terminate_permitted"), {"pids": list(stubborn)})
        except psycopg.Error:
            if session.closed or session.broken:
                return  # the lock is lost with it, which the lease of the next run says
