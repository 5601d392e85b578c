"""YAML events into a tree of nodes that know their place; nothing here knows types: a scalar is the text typed.

libyaml's events are read one by one, never composed: depth and size are checked before anything is built, so neither
Python's nor C's stack is at risk, and an alias is seen before it could be expanded. A tree lives only until its
document is converted; what is kept of it is `places`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tenantplan.documents.characters import describe, first_refused
from tenantplan.documents.source import SYNTAX, Problem, Problems, SourceText

MAX_DEPTH = 64
MAX_NODES = 50_000  # of one document
MAX_DOCUMENTS = 50_000  # of one file
MAX_SCALAR = 65_536  # characters
NULLS = ("", "~", "null")

Event = Any  # of yaml.events: its stubs say that marks may be missing, which libyaml's never are
Mark = Any  # `line` and `column`, both from 0
Scalar = ScalarEvent  # a scalar is the parser's event as it came: `value` is its text, `style` is empty without quotes


@dataclass(slots=True)
class ListNode:
    """A list."""

    start_mark: Mark
    items: list[Node]


@dataclass(slots=True)
class MapNode:
    """A mapping: key -> the key as it was typed, and its value."""

    start_mark: Mark
    entries: dict[str, tuple[Scalar, Node]]

    def get(self, key: str) -> Node | None:
        """The value of a key, None when there is no such key."""
        return self.entries[key][1] if key in self.entries else None


@dataclass(slots=True)
class RefusedNode:
    """Stands where a value was refused and reported, so that nothing more is said about it."""

    start_mark: Mark


Node = Scalar | ListNode | MapNode | RefusedNode
Entries = dict[str, tuple[Scalar, Node]]


def is_null(node: Node) -> bool:
    """Whether a node says that there is no value."""
    return type(node) is Scalar and not node.style and node.value in NULLS


def fields_of_nodes(root: Node) -> dict[int, tuple[str | int, ...]]:
    """The path of every node in a tree, keys among them, by the node's id."""
    found: dict[int, tuple[str | int, ...]] = {id(root): ()}
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        path = found[id(node)]
        below: list[tuple[str | int, Node]] = []
        if isinstance(node, MapNode):
            below = [(name, entry) for name, (_, entry) in node.entries.items()]
            found.update({id(key): (*path, name) for name, (key, _) in node.entries.items()})
        elif isinstance(node, ListNode):
            below = list(enumerate(node.items))
        for name, child in below:
            found[id(child)] = (*path, name)
            waiting.append(child)
    return found


class _Stop(Exception):
    """The rest of the file is not read."""


def parse(source: SourceText, problems: Problems) -> Iterator[Node]:
    """The root node of every document of a file; problems are added, and a syntax error ends the file."""
    documents = 0
    try:
        read = yaml.CSafeLoader(source.text).get_event
        builder = _Builder(source, problems, read)
        for event in iter(read, None):
            if type(event) is DocumentStartEvent:
                root = builder.document()
            elif type(event) is DocumentEndEvent:
                documents += 1
                yield root
                builder.enough(event, documents)
    except yaml.MarkedYAMLError as error:
        problems.add(_syntax(source, error))
    except _Stop:
        return


class _Builder:
    """Reads the values of one file, each with all that is in it; `depth` is the number of collections around one."""

    def __init__(self, source: SourceText, problems: Problems, read: Callable[[], Event]) -> None:
        self.source, self.problems = source, problems
        self._read = read
        self._left = MAX_NODES

    def document(self) -> Node:
        """The root of the document that has started."""
        self._left = MAX_NODES
        return self._value(self._read(), 0)

    def enough(self, event: Event, documents: int) -> None:
        """End the file when it holds more documents or more mistakes than anyone would read."""
        if documents > MAX_DOCUMENTS:
            self._stop(event, f"more than {MAX_DOCUMENTS:,} documents in one file")
        if self.problems.full(self.source.path):
            raise _Stop

    def _value(self, event: Event, depth: int) -> Node:
        if type(event) is Scalar or type(event) is AliasEvent:
            return self._scalar(event)
        self._enter(event, depth)
        return self._inside(event, depth + 1)

    def _scalar(self, event: Event) -> Scalar | RefusedNode:
        node: Scalar | RefusedNode = event
        if type(event) is AliasEvent:
            node = self._refuse(event, "aliases (*name) are not supported", _NO_ALIAS)
        elif event.anchor is not None or event.tag is not None:
            node = self._decorated(event)
        elif not event.value.isprintable() and (bad := first_refused(event.value)):
            node = self._refuse(event, f"{describe(bad)} is not allowed in a value", "use visible characters")
        elif len(event.value) > MAX_SCALAR:
            node = self._refuse(event, f"this text is longer than {MAX_SCALAR:,} characters")
        self._left -= 1
        return node if self._left >= 0 else self._too_many(event)

    def _enter(self, event: Event, depth: int) -> None:
        """Judge a collection before anything in it is read."""
        if depth >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor is not None or event.tag is not None:
            self._decorated(event)
        self._left -= 1
        if self._left < 0:
            self._too_many(event)

    def _inside(self, start: Event, depth: int) -> MapNode | ListNode:
        if type(start) is MappingStartEvent:
            return self._mapping(start, depth)
        items: list[Node] = []
        while type(event := self._read()) is not SequenceEndEvent:
            items.append(self._value(event, depth))
        return ListNode(start.start_mark, items)

    def _mapping(self, start: Event, depth: int) -> MapNode:
        entries: Entries = {}
        while type(event := self._read()) is not MappingEndEvent:
            key = self._key(event, entries, depth)
            value = self._value(self._read(), depth)
            if key is not None:
                entries[key.value] = (key, value)
        return MapNode(start.start_mark, entries)

    def _key(self, event: Event, entries: Entries, depth: int) -> Scalar | None:
        """The key that an event is, or None after refusing it."""
        if type(event) is MappingStartEvent or type(event) is SequenceStartEvent:
            self._enter(event, depth)
            self._refuse(event, "a key must be text")
            self._inside(event, depth + 1)
            return None
        key = self._scalar(event)
        return None if isinstance(key, RefusedNode) or self._bad_key(key, event, entries) else key

    def _bad_key(self, key: Scalar, event: Event, entries: Entries) -> RefusedNode | None:
        """What stands for a text that cannot be a key here, after refusing it; None when it can."""
        text = key.value
        if is_null(key):
            return self._refuse(event, "a key must be text")
        if text == "<<" and not key.style:
            return self._refuse(event, "merge keys (<<) are not supported", _NO_ALIAS)
        if text in entries:
            first: Mark = entries[text][0].start_mark
            message = f"`{text[:80]}` is given twice; first at line {first.line + 1}"
            return self._refuse(event, message, "keep one of the two")
        if not text.isprintable():
            return self._refuse(event, "a key may not hold line breaks, tabs or characters that cannot be seen")
        return None

    def _too_many(self, event: Event) -> NoReturn:
        self._stop(event, f"more than {MAX_NODES:,} values in one document")

    def _decorated(self, event: Event) -> RefusedNode:
        if event.anchor is not None:
            return self._refuse(event, "anchors (&name) are not supported", _NO_ALIAS)
        return self._refuse(event, "tags (!name) are not supported", "write the value without the tag")

    def _stop(self, event: Event, message: str) -> NoReturn:
        """Report a problem that makes the rest of the file not worth reading."""
        self._refuse(event, message, code=SYNTAX)
        raise _Stop

    def _refuse(self, event: Event, message: str, hint: str = "", code: str = "refused") -> RefusedNode:
        mark = event.start_mark
        self.problems.add(Problem(self.source.place(mark.line, mark.column), message, hint, self.source, code=code))
        return RefusedNode(mark)


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
    return Problem(
        source.place(line, column), f"this is not valid YAML: {error.problem}{context}", hint, source, code=SYNTAX
    )
