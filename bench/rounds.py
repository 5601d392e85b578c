"""Work and its yardstick in turn, so that what a machine does meanwhile meets both.

A machine's speed at making files and filling memory swings by the minute. So the yardstick at each of its widths and the
work are measured once in each round, each round begins with another of them, and medians over the rounds are compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ground import WIDTHS
from measure import Timed


@dataclass(frozen=True)
class Round:
    """What the work took, and the yardstick's seconds by how many of it ran at once."""

    took: Timed
    yardstick: dict[int, float]


def alternating(
    number: int, work: Callable[[], Timed], yardstick: Callable[[int], float], settle: Callable[[], None]
) -> Round:
    """Round `number`, which is also where in the circle it begins; `settle` is called before each measurement."""
    widths: list[int | None] = [*WIDTHS, None]  # None: the work
    start = number % len(widths)
    took, found = None, {}
    for width in widths[start:] + widths[:start]:
        settle()
        if width is None:
            took = work()
        else:
            found[width] = yardstick(width)
    assert took is not None
    return Round(took, found)


def compared(rounds: Sequence[Round]) -> tuple[Timed, float, int, str]:
    """Medians of the work and of the yardstick at its best width, that width, and a note with the ratio of each round."""
    plain, width = min((statistics.median(one.yardstick[width] for one in rounds), width) for width in WIDTHS)
    seconds = statistics.median(one.took.seconds for one in rounds)
    each = ", ".join(f"{one.took.seconds / one.yardstick[width]:.2f}" for one in rounds)
    took = Timed(seconds, max(one.took.megabytes for one in rounds))
    return took, plain, width, f"medians of {len(rounds)} rounds: {each}"
