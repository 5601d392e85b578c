"""New dedicated organizations: a database, its roles, rights and rows, each."""

from __future__ import annotations

from acceptance.harness import Fleet
from ground import WIDTHS, Ground, declare
from measure import Timed, best, say
from report import Beside, Figure
from yardsticks import creations

_WITHIN = 1.3


def measure(ground: Ground) -> list[Figure]:
    """The round in the middle, of several that alternate with the yardstick."""
    fleet = Fleet(ground.folder / "new", ground.server, spec="guard: { maxChangedPercent: 100 }\n")
    declare(fleet, "first")  # its template is built with it
    ground.command(fleet, "apply", "--auto-approve")
    rounds = sorted((_round(ground, fleet, number) for number in range(ground.sizes.rounds)), key=_ratio)
    took, plain, width = rounds[len(rounds) // 2]
    count = ground.sizes.new
    what = f"{count} plain CREATE DATABASE … TEMPLATE, {width} at once"
    note = f"median of {len(rounds)} rounds: {', '.join(f'{_ratio(one):.2f}' for one in rounds)}"
    work = f"apply of {count} new dedicated organizations, a plan file"
    return [Figure(work, took, (Beside(what, plain, within=_WITHIN),), note=note)]


def _round(ground: Ground, fleet: Fleet, number: int) -> tuple[Timed, float, int]:
    say(f"apply of {ground.sizes.new} new dedicated organizations, round {number + 1} of {ground.sizes.rounds}")
    for one in range(ground.sizes.new):
        declare(fleet, f"round{number}-{one}")
    ground.command(fleet, "plan", "--out", "plan.json")
    plain, width = best(lambda width: creations(ground, fleet, width), WIDTHS)
    return ground.command(fleet, "apply", "plan.json"), plain, width


def _ratio(measured: tuple[Timed, float, int]) -> float:
    took, plain, _ = measured
    return took.seconds / plain
