"""Dependencies first: the order of things that need each other."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any


def dependencies_first(
    needs: Mapping[str, Iterable[str]], rank: Callable[[str], Any] = lambda name: name
) -> Iterator[str]:
    """The names of `needs`, each after all that it needs; of those that could come next, the one of the lowest rank.

    What is in a circle, or needs something that is, does not come at all.
    """
    sorter = TopologicalSorter(needs)
    with suppress(CycleError):  # it goes on up to the circle
        sorter.prepare()
    ready: list[tuple[Any, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (rank(name), name))
        _, name = heapq.heappop(ready)
        yield name
        sorter.done(name)
