"""P22: never more sessions than the budget, global and per server."""

from __future__ import annotations

import threading

import pytest
from acceptance.harness import Fleet
from acceptance.tenant_tree import tenant_tree

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
