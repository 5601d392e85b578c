"""A document, read and accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern

from pydantic import BaseModel

from tenantplan.documents.nodes import ListNode, MapNode, Mark, Node, Scalar
from tenantplan.documents.source import Problem, Source, SourceText


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its metadata, its `spec` as the kind's model, and where it starts."""

    kind: str
    name: str
    labels: Mapping[str, str]
    renamed_from: str | None
    adopt: bool
    restore: str | None
    spec: BaseModel
    source: Source
    places: SourcePlace = field(repr=False, compare=False)
    text: SourceText = field(repr=False, compare=False)

    def at(self, *path: str | int) -> Source:
        """The place of the value at a path such as ("spec", "members", 0, "user"), or of the nearest one above it."""
        return self.text.place(*locate(self.places, path)[0])

    def has(self, *path: str | int) -> bool:
        """Whether the author wrote something at this path."""
        return locate(self.places, path)[1]

    def problem(self, message: str, *path: str | int, hint: str = "") -> Problem:
        """A mistake in this document, shown at a path."""
        return Problem(self.at(*path), message, hint, self.text, path)


_BITS = 24  # a file has at most 10 MB, so neither more lines nor longer ones


Spot = int  # a line and a column from 0, as one number


@dataclass(slots=True, eq=False)
class NestedPlaces:
    """A mapping or a list: where it starts, and where what is in it does, by key or index."""

    spot: Spot
    parts: dict[str, SourcePlace] | list[SourcePlace]


SourcePlace = Spot | NestedPlaces


def places_of(node: Node) -> SourcePlace:
    """The places of a node and of everything in it."""
    mark: Mark = node.start_mark
    spot: Spot = mark.line << _BITS | mark.column
    if isinstance(node, Scalar):
        return spot
    if isinstance(node, MapNode):
        return NestedPlaces(spot, {intern(key): places_of(value) for key, (_, value) in node.entries.items()})
    return NestedPlaces(spot, [places_of(item) for item in node.items] if isinstance(node, ListNode) else [])


def locate(place: SourcePlace, path: Sequence[str | int]) -> tuple[tuple[int, int], bool]:
    """Line and column from 0 of the value at a path, or of the nearest one above it; whether it was reached."""
    for step in path:
        found = _step(place, step)
        if found is None:
            return _line_and_column(place), False
        place = found
    return _line_and_column(place), True


def _step(place: SourcePlace, step: str | int) -> SourcePlace | None:
    if isinstance(place, int):
        return None
    if isinstance(place.parts, dict):
        return place.parts.get(step) if isinstance(step, str) else None
    return place.parts[step] if isinstance(step, int) and step < len(place.parts) else None


def _line_and_column(place: SourcePlace) -> tuple[int, int]:
    return divmod(place if isinstance(place, int) else place.spot, 1 << _BITS)
