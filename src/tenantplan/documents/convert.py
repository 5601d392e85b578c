"""A node into the Python value that a model takes, with every structural mistake reported at its place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from tenantplan.documents.characters import visible
from tenantplan.documents.nodes import ListNode, MapNode, Mark, Node, Scalar, fields_of_nodes, is_null
from tenantplan.documents.shape import ANYTHING, Shape, fields_of
from tenantplan.documents.source import Problem, Problems, SourceText
from tenantplan.documents.spec import VARIABLE
from tenantplan.documents.suggest import did_you_mean, listing

_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_REAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_UNUSABLE = re.compile(r"-?[1-9][0-9]{18,}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Converter:
    """Converts the nodes of one document, whose `root` gives the paths of its fields; `ok` tells whether everything was accepted
    so far. `belongs` says where a field of this name belongs, "" when nobody knows it."""

    def __init__(
        self, source: SourceText, problems: Problems, root: Node, belongs: Callable[[str], str] = lambda name: ""
    ) -> None:
        self.source, self.problems, self.ok = source, problems, True
        self._root, self._belongs = root, belongs
        self._reported: set[int] = set()  # ids of nodes that have their problem: the model need not repeat it

    def model(self, model: type[BaseModel], node: Node) -> BaseModel | None:
        """The node as a validated model, or None after reporting."""
        value = self._fields(node, model) if isinstance(node, MapNode) else self.value(node, Shape(model=model))
        if id(node) in self._reported:
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                self._invalid(node, found)
        return None

    def value(self, node: Node, shape: Shape) -> Any:
        """The node as plain Python data in the given shape; None where a problem was reported."""
        if shape.unread:
            return node
        if isinstance(node, Scalar):
            return node.value if shape.words and not is_null(node) else self._scalar(node, shape)
        if isinstance(node, MapNode):
            return self._mapping(node, shape)
        if isinstance(node, ListNode):
            item = ANYTHING if shape.anything else shape.item
            if item is None:
                return self._mismatch(node, shape, "a list")
            return [self.value(entry, item) for entry in node.items]
        return self._mark(node)

    def report(self, node: Node, message: str, hint: str = "", code: str = "invalid") -> None:
        """Add a problem at a node; the model will not be asked about it again."""
        self._mark(node)
        self._add(node, message, hint, code)

    def _add(self, node: Node, message: str, hint: str = "", code: str = "invalid", missing: str = "") -> None:
        self.ok = False
        mark: Mark = node.start_mark
        field = (*self._fields_of_nodes.get(id(node), ()), *([missing] if missing else []))
        where = self.source.place(mark.line, mark.column)
        self.problems.add(Problem(where, message, hint, self.source, field, code))

    @cached_property
    def _fields_of_nodes(self) -> dict[int, tuple[str | int, ...]]:
        return fields_of_nodes(self._root)

    def _mark(self, node: Node) -> None:
        self.ok = False
        self._reported.add(id(node))

    def _mapping(self, node: MapNode, shape: Shape) -> Any:
        if shape.model is not None:
            return self._fields(node, shape.model)
        value = ANYTHING if shape.anything else shape.value
        if value is None:
            return self._mismatch(node, shape, "a mapping")
        return {key: self.value(entry, value) for key, (_, entry) in node.entries.items()}

    def _fields(self, node: MapNode, model: type[BaseModel]) -> dict[str, Any]:
        fields, values = fields_of(model), {}
        for name, (key, entry) in node.entries.items():
            shape = fields.get(name)
            if shape is not None:
                values[name] = self.value(entry, shape)
            else:
                hint = self._belongs(name) or did_you_mean(name, fields) or f"fields here: {listing(fields)}"
                self.report(key, f"unknown field `{visible(name[:80])}`", hint, "unknown-field")
                self._hide(entry)
            if _names_secret(model) and not (isinstance(entry, Scalar) and _harmless(name, entry.value)):
                self._hide(entry)
        return values

    def _scalar(self, node: Scalar, shape: Shape) -> Any:
        text, null = node.value, is_null(node)
        if null and shape.null:
            return None
        if not node.style:
            if shape.flag and text in _FLAGS:
                return _FLAGS[text]
            if shape.whole and _WHOLE.fullmatch(text):
                return int(text)
            if shape.real and _REAL.fullmatch(text) and _exact(text):
                return float(text)
            if shape.anything and (_UNUSABLE.fullmatch(text) or _REAL.fullmatch(text)):
                return self.report(node, "this number cannot be kept exactly", "write it in quotes to keep it as text")
        if shape.text and not null:
            return text
        if text in shape.choices:
            return text
        return self._mismatch(node, shape, _found(node))

    def _mismatch(self, node: Node, shape: Shape, found: str) -> None:
        if _names_secret(shape.model):
            self._hide(node)
            hint = "write `{ env: NAME_OF_A_VARIABLE }` or `{ file: path }` instead"
            said = "a secret never stands in the file itself, only a reference to it"
            return self.report(node, said, hint, "secret-in-file")
        hint = ""
        if shape.choices and isinstance(node, Scalar):
            hint = did_you_mean(node.value, shape.choices)
        elif isinstance(node, Scalar) and node.style and (shape.flag or shape.whole or shape.real):
            hint = "remove the quotes: they make it text"
        return self.report(node, f"expected {shape.expected}, got {found}", hint)

    def _hide(self, node: Node) -> None:
        """Never show this value, nor anything in it."""
        start: Mark = node.start_mark
        end: Mark = node.end_mark if isinstance(node, Scalar) else start
        self.source.hide(start.line, start.column, end.line)
        for child in _children(node):
            self._hide(child)

    def _invalid(self, root: Node, error: Any) -> None:
        """Report what the model refused, at the nearest node to its location."""
        node, key = root, root
        for step in error["loc"]:
            if id(node) in self._reported:
                return
            found = _step(node, step)
            if found is None:  # which of several models it was read as, and no step in the document
                continue
            key, node = found
        if id(node) in self._reported:
            return
        last = error["loc"][-1] if error["loc"] else ""
        if error["type"] == "missing":
            self._add(key, f"field `{last}` is required here", code="missing-field", missing=str(last))
        else:
            self._add(key if last == "[key]" else node, _message(error))


def _message(error: Any) -> str:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    text: str = error["msg"].removeprefix("Input ").removeprefix("Value ")
    return text[0].lower() + text[1:] if text.startswith(("String", "List", "Dict")) else f"the value {text}"


def _exact(text: str) -> bool:
    """Whether a number comes back as it was written, from Python and from jsonb, which gives large ones back as integers."""
    number = float(text)
    if not math.isfinite(number) or Decimal(text) != Decimal(repr(number)):
        return False
    return not number.is_integer() or abs(number) < 2**53


def _found(node: Scalar) -> str:
    if is_null(node):
        return "null" if node.value else "nothing"
    text = visible(node.value)
    return f"`{text}`" if len(text) <= 40 else f"`{text[:40]}…` ({len(node.value)} characters)"


def _names_secret(model: type[BaseModel] | None) -> bool:
    return getattr(model, "names_secret", False)


def _harmless(name: str, text: str) -> bool:
    """Whether what stands in a reference looks like one; a secret pasted there must not be shown."""
    return name == "file" or VARIABLE.fullmatch(text) is not None


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MapNode):
        yield from (entry for _, entry in node.entries.values())
    elif isinstance(node, ListNode):
        yield from node.items


def _step(node: Node, step: Any) -> tuple[Node, Node] | None:
    """The key and the value one step down, or None when there is no such step."""
    if isinstance(node, MapNode) and step in node.entries:
        return node.entries[step]
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
        return node.items[step], node.items[step]
    return None
