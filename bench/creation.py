"""New dedicated organizations: a database, its roles, rights and rows, each."""

from __future__ import annotations

from acceptance.harness import Fleet
from ground import BEST, WIDTHS, Ground, declare
from measure import say
from report import Beside, Figure
from rounds import Round, alternating, compared
from yardsticks import creations

_WITHIN = 1.3


def measure(ground: Ground) -> list[Figure]:
    """Rounds that alternate with the yardstick, in a fleet that grows."""
    fleet = Fleet(ground.folder / "new", ground.server, spec="guard: { maxChangedPercent: 100 }\n")
    declare(fleet, "first")  # its template is built with it
    ground.command(fleet, "apply", "--auto-approve")
    creations(ground, fleet, WIDTHS[-1], "before")  # makes the files of the write-ahead log, which are used again
    tried = {width: _tried(ground, fleet, width) for width in WIDTHS}
    widths = sorted(tried, key=tried.__getitem__)[:BEST]
    rounds = [_round(ground, fleet, number, widths) for number in range(ground.sizes.creations)]
    took, plain, width, note = compared(rounds)
    count = ground.sizes.new
    what = f"{count} plain CREATE DATABASE … TEMPLATE, {width} at once"
    work = f"apply of {count} new dedicated organizations, a plan file"
    return [Figure(work, took, (Beside(what, plain, within=_WITHIN),), note=note)]


def _tried(ground: Ground, fleet: Fleet, width: int) -> float:
    ground.settle()
    return creations(ground, fleet, width, f"before_{width}")


def _round(ground: Ground, fleet: Fleet, number: int, widths: list[int]) -> Round:
    say(f"apply of {ground.sizes.new} new dedicated organizations, round {number + 1} of {ground.sizes.creations}")
    for one in range(ground.sizes.new):
        declare(fleet, f"round{number}-{one}")
    ground.command(fleet, "plan", "--out", "plan.json")
    return alternating(
        number,
        lambda: ground.command(fleet, "apply", "plan.json"),
        lambda width: creations(ground, fleet, width, f"plain_{number}_{width}"),
        ground.settle,
        widths,
    )
