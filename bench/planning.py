"""A plan without changes: what every pull request pays, however many databases there are."""

from __future__ import annotations

from acceptance.harness import Fleet
from ground import ROUTES, TCP, Ground, databases
from measure import Timed, median, say
from report import Beside, Figure
from yardsticks import VERSION, alembic, sessions

_START, _EACH = 0.7, 0.000_15  # seconds: of the process, and of each database
_FEW, _MANY, _ALEMBIC = 3, 8, 300  # times faster


def measure(ground: Ground) -> list[Figure]:
    """Both sizes of the fleet, over both routes; and what it took to make them, which has no yardstick."""
    figures = []
    for count, faster in ((ground.sizes.few, _FEW), (ground.sizes.many, _MANY)):
        fleet = ground.dedicated(count)
        figures += [_planned(ground, fleet, route, faster) for route in ROUTES]
    return figures + [_grown(count, took) for count, took in ground.grown]


def _grown(count: int, took: Timed) -> Figure:
    return Figure(f"apply of {count} dedicated organizations, planned and made at once", took)


def _planned(ground: Ground, fleet: Fleet, route: str, faster: float) -> Figure:
    names = databases(fleet)
    say(f"plan without changes, {len(names)} dedicated databases, {route}")
    took = median(lambda: ground.command(fleet, "plan", "--detailed-exitcode", route=route), ground.sizes.runs)
    connected = sessions(ground, fleet, VERSION, "SELECT version_num FROM alembic_version", route)
    besides = [Beside(connected.what, connected.seconds, faster=faster)]
    if route == TCP:
        few = names[: ground.sizes.alembic]
        say(f"  alembic current, {len(few)} processes")
        looped = alembic(ground, fleet, few, "current") * len(names)
        what = f"alembic current, a process each, one after the other ({len(few)}, scaled)"
        besides.append(Beside(what, looped, faster=_ALEMBIC))
    work = f"plan without changes, {len(names)} dedicated databases, {route}"
    return Figure(work, took, tuple(besides), seconds=_START + _EACH * len(names))
