"""Never more sessions than the budget, global and per server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree
from servers import TestServer

from tenantplan.postgres.connect import Connector
from tenantplan.postgres.url import Server

pytestmark = pytest.mark.once

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tp_admin' AND backend_type = 'client backend'"


class Watch(threading.Thread):
    """Samples how many sessions tenantplan's role has on the server; `most` is the largest number seen."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self.fleet, self.most, self.done = fleet, 0, threading.Event()

    def run(self) -> None:
        with self.fleet.connect("postgres") as connection:
            while not self.done.wait(0.001):
                self.most = max(self.most, connection.execute(COUNT.encode()).fetchall()[0][0])


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        ("maxConnections: 4\nservers: { primary: { maxConnections: 20 } }", 4),
        ("maxConnections: 20\nservers: { primary: { maxConnections: 3 } }", 3),
        ("maxConnections: 20\nservers: { primary: { maxConnections: 7 } }", 7),
    ],
)
def test_an_apply_keeps_its_budget(fleet: Fleet, spec: str, budget: int) -> None:
    tree = tenant_tree(fleet)
    fleet.settings(
        spec + "\nrollout: { parallelism: 16 }\nguard: { maxChangedPercent: 100 }", migrations="migrations/tenant"
    )
    for number in range(8):
        fleet.organization(f"org-{number}", "database: { mode: dedicated }")
    watch = Watch(fleet)
    watch.start()
    try:
        fleet.apply()
        tree.add("aa01", "op.execute('SELECT pg_sleep(0.02)')")
        fleet.apply()
        fleet.plan()
    finally:
        watch.done.set()
        watch.join()
    assert 2 <= watch.most <= budget
    fleet.converged()


@pytest.mark.parametrize(("total", "share"), [(2, 9), (9, 2), (3, 2)])
def test_who_asks_for_more_sessions_waits(server: TestServer, total: int, share: int) -> None:
    """Two names of one server, six threads each: never more than a server's share, nor than the total."""
    connector = Connector({alias: Server(alias, server.params(), share) for alias in ("a", "b")}, total)
    lock = threading.Lock()
    now = Counter[str]()
    seen: list[Counter[str]] = []

    def work(alias: str) -> None:
        with connector.connect(alias):
            with lock:
                now[alias] += 1
                seen.append(now.copy())
            time.sleep(0.05)
            with lock:
                now[alias] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, ["a", "b"] * 6))
    assert max(max(counts.values()) for counts in seen) <= share
    assert 2 <= max(sum(counts.values()) for counts in seen) <= total
