"""Locates a statement in a migration: its revision, and its number there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tenantplan.model.step import Origin, Step

_SHOWN = 100
_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)*", re.S)
_LITERAL = re.compile(r"['$]")


@dataclass(frozen=True, slots=True)
class Site:
    """Statement `number` of the `count` that the author of `revision` wrote, and how it begins; 0: it is tenantplan's own."""

    revision: str
    number: int
    count: int
    text: str

    def of(self, file: str) -> str:
        """The place in words, of a revision in this file."""
        where = f"revision {self.revision}" + (f" ({file})" if file else "")
        return where + (f", statement {self.number} of {self.count} ({self.text})" if self.number else "")


def site(steps: Sequence[Step], step: int, statement: int) -> Site | None:
    """Where the statement of that place in that step stands; None where the steps do not say, or it belongs to no revision."""
    lines = [
        (origin.revision, origin.own, number == step, text)
        for number, each in enumerate(steps)
        for (origin, text) in zip(_per_statement(each), each.statements, strict=False)
    ]
    place = next((i for i, line in enumerate(lines) if line[2]), len(lines)) + statement
    if statement < 0 or place >= len(lines) or not lines[place][2] or not lines[place][0]:
        return None
    revision, own, _, text = lines[place]
    numbers = [i for i, line in enumerate(lines) if line[:2] == (revision, True)]
    return Site(revision, numbers.index(place) + 1 if own else 0, len(numbers), beginning(text))


def beginning(statement: str) -> str:
    """The first words of a statement, without comments before them, and never a literal: values are nobody's business."""
    text = _COMMENTS.sub("", statement)
    literal = _LITERAL.search(text)
    end = min(literal.start() if literal else len(text), len(text))
    shown = " ".join(text[:end].split())
    cut = literal is not None or len(shown) > _SHOWN
    return shown[:_SHOWN].rstrip() + (" …" if cut else "")


def _per_statement(step: Step) -> list[Origin]:
    return [origin for origin in step.origins for _ in range(origin.count)]
