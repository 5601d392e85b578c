"""Dependencies first, and always the same order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tenantplan.model.dependencies import dependencies_first

GRAPHS = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=8)


def test_of_those_that_could_come_next_the_lowest_does() -> None:
    assert list(dependencies_first({"c": [], "b": ["d"], "d": [], "a": ["b", "b"]})) == ["c", "d", "b", "a"]
    assert list(dependencies_first({"a": [], "b": [], "c": ["b"]}, "cba".index)) == ["b", "c", "a"]


def test_what_waits_for_a_circle_does_not_come() -> None:
    assert list(dependencies_first({"a": ["b"], "b": ["a"], "behind": ["a"], "before": [], "own": ["own"]})) == [
        "before"
    ]


@given(GRAPHS, st.randoms(use_true_random=False))
def test_each_comes_once_after_all_it_needs_whatever_the_order_of_the_input(
    graph: dict[str, list[str]], shuffle: random.Random
) -> None:
    needs = {name: [other for other in others if other in graph] for name, others in graph.items()}
    found = list(dependencies_first(needs))
    for place, name in enumerate(found):
        assert set(needs[name]) <= set(found[:place])
    assert all(any(other not in found for other in needs[name]) for name in needs.keys() - found)
    mixed = list(needs)
    shuffle.shuffle(mixed)
    assert list(dependencies_first({name: needs[name][::-1] for name in mixed})) == found
