"""Drift: the whole schema of every database, read and compared."""

from __future__ import annotations

from acceptance.harness import Fleet
from ground import ROUTES, Ground, databases
from measure import median, say
from report import Beside, Figure
from yardsticks import fingerprint_script, sessions

_WITHIN = 1.3
_RUNS = 3


def measure(ground: Ground) -> list[Figure]:
    """Over both routes."""
    fleet = ground.dedicated(ground.sizes.few)
    return [_compared(ground, fleet, route) for route in ROUTES]


def _compared(ground: Ground, fleet: Fleet, route: str) -> Figure:
    work = f"drift, {len(databases(fleet))} dedicated databases, {route}"
    say(work)
    took = median(lambda: ground.command(fleet, "drift", route=route), min(_RUNS, ground.sizes.runs))
    read = sessions(ground, fleet, fingerprint_script(fleet), "the fingerprint's query", route)
    return Figure(work, took, (Beside(read.what, read.seconds, within=_WITHIN),))
