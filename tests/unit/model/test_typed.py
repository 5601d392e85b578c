"""Whether what a file holds is what its class says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tenantplan.model.typed import fits


@dataclass(frozen=True)
class Node:
    name: str
    count: int | None
    parts: tuple[str, ...]
    pair: tuple[str, bool]
    labels: Mapping[str, Mapping[str, str]]
    left: Node | None = None
    more: Any = None


def a_node(**changes: Any) -> Node:
    values: dict[str, Any] = {
        "name": "a",
        "count": 1,
        "parts": ("x",),
        "pair": ("x", True),
        "labels": {"a": {"b": "c"}},
    }
    return Node(**{**values, **changes})


def test_what_fits() -> None:
    assert fits(a_node(), Node) and fits(a_node(left=a_node(count=None), more=[1, {}]), Node)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 7}, {"name": None}, {"count": True}, {"count": "1"}, {"count": 1.0}, {"parts": ["x"]}, {"parts": "x"},
        {"parts": ("x", 1)}, {"pair": ("x",)}, {"pair": ("x", 1)}, {"labels": []}, {"labels": {"a": "b"}},
        {"labels": {"a": {"b": 1}}},
        {"labels": {1: {}}}, {"left": "x"}, {"left": {"name": "a"}},
    ],
)  # fmt: skip
def test_what_does_not(changes: dict[str, object]) -> None:
    assert not fits(a_node(**changes), Node)
    assert not fits(a_node(left=a_node(**changes)), Node)
