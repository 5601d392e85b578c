"""A document that was read and accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from tenantplan.documents.places import Place, locate
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
    places: Place = field(repr=False, compare=False)
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
