"""How many are asked at once, and in which order the answers come."""

from __future__ import annotations

import threading
import time

import pytest

from tenantplan.live.fan_out import PARALLEL, side_by_side


@pytest.mark.parametrize(
    ("count", "budget", "held", "width"),
    [(40, 100, 1, PARALLEL), (40, 4, 1, 3), (40, 4, 2, 2), (3, 100, 1, 3), (40, 1, 1, 1), (40, 1, 2, 1)],
)
def test_never_more_than_the_budget_has_room_for(count: int, budget: int, held: int, width: int) -> None:
    full = threading.Barrier(width)
    lock = threading.Lock()
    seen = at_work = 0

    def act(number: int) -> int:
        nonlocal seen, at_work
        with lock:
            at_work += 1
            seen = max(seen, at_work)
        if number < width:
            full.wait(10)  # all of them are at work at once
        time.sleep(0.001)
        with lock:
            at_work -= 1
        return number * 2

    assert list(side_by_side(act, range(count), budget, held)) == [number * 2 for number in range(count)]
    assert seen == width


def test_nothing_is_begun_for_nothing() -> None:
    assert list(side_by_side(str, [], 8)) == []
