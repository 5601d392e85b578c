"""Differences that drift reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class DriftItem:
    """A difference that drift found: at `address`, the object or field `name`; "" means absent."""

    address: str
    name: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """Drift at `address`, in the object or field `name` (both with * and ?), is known for a `reason` and until a day."""

    address: str
    name: str
    reason: str
    until: date

    def covers(self, address: str, name: str, today: date) -> bool:
        """Whether it speaks of this difference, today."""
        return today <= self.until and self.about(address, name)

    def about(self, address: str, name: str) -> bool:
        """Whether it speaks of this difference at all."""
        return fnmatchcase(address, self.address) and fnmatchcase(name, self.name)
