"""Writes one value into a document's text: everything else, comments and style included, stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_NUMBER = re.compile(r"[0-9_.]+([eE][0-9]+)?|0[xob].*|null|true|false|yes|no|on|off", re.I)


def with_value(text: str, kind: str, name: str, path: Sequence[str], value: str) -> str:
    """The text of a file in which the document of that kind and name has `value` at `path`, such as ("spec", "a", "b").

    The file is one that `load` accepts. ValueError where the place cannot be written to by a machine.
    """
    document = _document(text, kind, name)
    start, end, written = _written(document, path, _scalar(value))
    changed = text[:start] + written.replace("\n", _line_end(text, start)) + text[end:]
    if _plain(_document(changed, kind, name)) != _set(_plain(document), path, value):
        raise ValueError(f"{'.'.join(path)} of {kind} {name} is written in a way that cannot be edited automatically")
    return changed


def _document(text: str, kind: str, name: str) -> MappingNode:
    for node in yaml.compose_all(text, yaml.SafeLoader):
        found = _plain(node) if isinstance(node, MappingNode) else {}
        if found.get("kind") == kind and isinstance(m := found.get("metadata"), dict) and m.get("name") == name:
            assert isinstance(node, MappingNode)
            return node
    raise ValueError(f"there is no {kind} {name}")


def _written(node: MappingNode, path: Sequence[str], value: str) -> tuple[int, int, str]:
    """Where the text is replaced, from and to, and by what."""
    key, rest = path[0], path[1:]
    found = _entry(node, key)
    if isinstance(found, MappingNode) and rest:
        return _written(found, rest, value)
    new = value if not rest else "".join(f"{{ {part}: " for part in rest) + value + " }" * len(rest)
    if found is None:
        return _added(node, f"{key}: {new}")
    start, end = found.start_mark.index, found.end_mark.index
    return start, end, new if end > start else f" {new}"


def _added(node: MappingNode, entry: str) -> tuple[int, int, str]:
    """An entry more: behind the last one of a mapping in braces, before the first one of another."""
    if not node.value:
        return node.start_mark.index, node.end_mark.index, f"{{ {entry} }}"
    if node.flow_style:
        end = node.value[-1][1].end_mark.index
        return end, end, f", {entry}"
    first = node.value[0][0].start_mark
    return first.index, first.index, f"{entry}\n{' ' * first.column}"


def _line_end(text: str, place: int) -> str:
    """The line end in use at a place: that of its line, or of the first one where that line has none."""
    line, end, _ = text[place:].partition("\n")
    return "\r\n" if (line if end else text.partition("\n")[0]).endswith("\r") else "\n"


def _entry(node: MappingNode, key: str) -> Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _scalar(value: str) -> str:
    """The value as YAML, in quotes where another reader could take it for a number."""
    return f'"{value}"' if _NUMBER.fullmatch(value) else value


def _plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.value]
    assert isinstance(node, ScalarNode)
    return node.value


def _set(document: Any, path: Sequence[str], value: str) -> Any:
    under = document if isinstance(document, dict) else {}
    return {**under, path[0]: _set(under.get(path[0]), path[1:], value)} if path else value
