"""Work and its yardstick in turn, so that what a machine does meanwhile meets both.

A machine's speed at making files and filling memory swings by the minute. So the yardstick at each of its widths and the
work are measured once in each round, each round begins with another of them, and medians over the rounds are compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from measure import Timed


@dataclass(frozen=True)
class Round:
    """What the work took, and the yardstick's seconds by how many of it ran at once."""

    took: Timed
    yardstick: dict[int, float]


def alternating(
    number: int,
    work: Callable[[], Timed],
    yardstick: Callable[[int], float],
    settle: Callable[[], None],
    widths: Sequence[int],
) -> Round:
    """Round `number`, which is also where in the circle it begins; `settle` is called before each measurement."""
    circle: list[int | None] = [*widths, None]  # None: the work
    start = number % len(circle)
    took, found = None, {}
    for width in circle[start:] + circle[:start]:
        settle()
        if width is None:
            took = work()
        else:
            found[width] = yardstick(width)
    assert took is not None
    return Round(took, found)


def compared(rounds: Sequence[Round]) -> tuple[Timed, float, int, str]:
    """Medians of the work and of the yardstick at its best width, that width, and a note with the ratio of each round."""
    widths = rounds[0].yardstick
    plain, width = min((statistics.median(one.yardstick[width] for one in rounds), width) for width in widths)
    seconds = statistics.median(one.took.seconds for one in rounds)
    each = ", ".join(f"{one.took.seconds / one.yardstick[width]:.2f}" for one in rounds)
    took = Timed(seconds, max(one.took.megabytes for one in rounds))
    return took, plain, width, f"medians of {len(rounds)} rounds: {each}"
