"""YAML events into a tree of nodes that know their place; nothing here knows types: a scalar is the text typed.

libyaml's events are read one by one, never composed: depth and size are checked before anything is built, so neither
Python's nor C's stack is at risk, and an alias is seen before it could be expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tenantplan.documents.characters import describe, first_refused
from tenantplan.documents.source import Problem, Problems, SourceText

MAX_DEPTH = 64
MAX_NODES = 50_000  # of one document
MAX_DOCUMENTS = 50_000  # of one file
MAX_SCALAR = 65_536  # characters
NULLS = ("", "~", "null")


@dataclass(slots=True)
class Scalar:
    """The text of a value; `plain` without quotes. Lines and columns count from 0."""

    text: str
    plain: bool
    line: int
    column: int
    last_line: int


@dataclass(slots=True)
class ListNode:
    """A list."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MapNode:
    """A mapping: key -> the key as it was typed, and its value."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


@dataclass(slots=True)
class Refused:
    """Stands where a value was refused and reported, so that nothing more is said about it."""

    line: int
    column: int


Node = Scalar | ListNode | MapNode | Refused
Event = Any  # of yaml.events: its stubs say that marks may be missing, which libyaml's never are


class _Stop(Exception):
    """The rest of the file is not read."""


def parse(source: SourceText, problems: Problems) -> Iterator[Node]:
    """The root node of every document of a file; problems are added, and a syntax error ends the file."""
    builder = _Builder(source, problems)
    try:
        for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                builder.scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                builder.open(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                builder.close()
            elif kind is yaml.AliasEvent:
                builder.alias(event)
            elif kind is yaml.DocumentEndEvent:
                yield builder.finish()
                builder.enough(event)
    except yaml.MarkedYAMLError as error:
        problems.add(_syntax(source, error))
    except _Stop:
        return


class _Builder:
    """The tree under construction: a stack of open collections, each with the key that waits for its value."""

    def __init__(self, source: SourceText, problems: Problems) -> None:
        self.source, self.problems = source, problems
        self.documents = 0
        self._stack: list[tuple[MapNode | ListNode, list[Scalar | Refused]]] = []
        self._root: Node = Refused(0, 0)
        self._nodes = 0

    def scalar(self, event: Event) -> None:
        """Add a scalar."""
        start, text = event.start_mark, event.value
        node: Node = Scalar(text, not event.style, start.line, start.column, event.end_mark.line)
        bad = None if text.isprintable() else first_refused(text)
        if event.anchor is not None or event.tag is not None:
            node = self._decorated(event)
        elif bad:
            node = self._refuse(event, f"{describe(bad)} is not allowed in a value", "use visible characters")
        elif len(text) > MAX_SCALAR:
            node = self._refuse(event, f"this text is longer than {MAX_SCALAR:,} characters")
        self._add(node, event)

    def open(self, event: Event) -> None:
        """Enter a mapping or list."""
        mark = event.start_mark
        if len(self._stack) >= MAX_DEPTH:
            self.stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor is not None or event.tag is not None:
            self._decorated(event)
        kind = MapNode if type(event) is yaml.MappingStartEvent else ListNode
        node = kind(mark.line, mark.column)
        self._add(node, event)
        self._stack.append((node, []))

    def close(self) -> None:
        """Leave the innermost mapping or list."""
        self._stack.pop()

    def alias(self, event: Event) -> None:
        """Refuse an alias."""
        self._add(self._refuse(event, "aliases (*name) are not supported", _NO_ALIAS), event)

    def finish(self) -> Node:
        """The document that has ended."""
        self.documents += 1
        self._nodes = 0
        return self._root

    def enough(self, event: Event) -> None:
        """End the file when it holds more documents or more mistakes than anyone would read."""
        if self.documents > MAX_DOCUMENTS:
            self.stop(event, f"more than {MAX_DOCUMENTS:,} documents in one file")
        if self.problems.full(self.source.path):
            raise _Stop

    def stop(self, event: Event, message: str) -> None:
        """Report a problem that makes the rest of the file not worth reading."""
        self._refuse(event, message)
        raise _Stop

    def _add(self, node: Node, event: Event) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self.stop(event, f"more than {MAX_NODES:,} values in one document")
        if not self._stack:
            self._root = node
            return
        parent, waiting = self._stack[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
        elif waiting:
            key = waiting.pop()
            if isinstance(key, Scalar):
                parent.entries[key.text] = (key, node)
        else:
            waiting.append(self._key(node, parent, event))

    def _key(self, node: Node, parent: MapNode, event: Event) -> Scalar | Refused:
        if isinstance(node, Refused):
            return node
        if not isinstance(node, Scalar) or (node.plain and node.text in NULLS):
            return self._refuse(event, "a key must be text")
        if node.plain and node.text == "<<":
            return self._refuse(event, "merge keys (<<) are not supported", _NO_ALIAS)
        if node.text in parent.entries:
            first = parent.entries[node.text][0]
            message = f"`{node.text[:80]}` is given twice; first at line {first.line + 1}"
            return self._refuse(event, message, "keep one of the two")
        if not node.text.isprintable():
            return self._refuse(event, "a key may not hold line breaks, tabs or characters that cannot be seen")
        return node

    def _decorated(self, event: Event) -> Refused:
        if event.anchor is not None:
            return self._refuse(event, "anchors (&name) are not supported", _NO_ALIAS)
        return self._refuse(event, "tags (!name) are not supported", "write the value without the tag")

    def _refuse(self, event: Event, message: str, hint: str = "") -> Refused:
        mark = event.start_mark
        self.problems.add(Problem(self.source.place(mark.line, mark.column), message, hint, self.source))
        return Refused(mark.line, mark.column)


_NO_ALIAS = "write the value out, or give it to many organizations through a Tier"


def _syntax(source: SourceText, error: yaml.MarkedYAMLError) -> Problem:
    mark: Any = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = source.lines
    if line >= len(lines) or (line == len(lines) - 1 > 0 and not lines[line]):  # found at the end: show the last line
        line = min(line, len(lines)) - 1
        column = len(lines[line])
    rest = lines[line][column:]
    hint = "YAML is indented with spaces, not tabs" if rest.startswith("\t") else ""
    context = f" ({error.context})" if error.context else ""
    return Problem(source.place(line, column), f"this is not valid YAML: {error.problem}{context}", hint, source)
