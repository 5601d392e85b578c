"""Differences that drift reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriftItem:
    """A difference that drift found: at `address`, the object or field `name`; "" means absent."""

    address: str
    name: str
    expected: str
    actual: str
