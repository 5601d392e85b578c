"""What a field of a spec means besides its type: that it names another document, or an item of its list.

A kind marks its fields, `Annotated[Line, Refers("Organization")]`, and nothing else has to know about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Refers:
    """The field holds the name of a document of this kind.

    `same_organization`: one that belongs to the same organization as this document. `late`: the two may need each other.
    """

    kind: str
    same_organization: bool = False
    late: bool = False


@dataclass(frozen=True)
class Names:
    """The field names an item of a list, such as a licence: each name stands there once."""

    what: str


@dataclass(frozen=True)
class Marked:
    """A marked field in a spec: its value, its path in the YAML, its mark, and the path of the list it is in."""

    value: str
    path: Path
    mark: Refers | Names
    listed: Path


_EACH = "*"  # in a path: every item of a list or mapping


def marked(spec: BaseModel) -> Iterator[Marked]:
    """Every marked field that has a value, in a spec and all that is nested in it; deleted items refer to nothing."""
    for steps, mark in _marks(type(spec)):
        yield from _values(spec, steps, ("spec",), (), mark)


def _values(
    value: Any, steps: Sequence[tuple[str, str]], path: Path, listed: Path, mark: Refers | Names
) -> Iterator[Marked]:
    if value is None:
        return
    if not steps:
        yield Marked(value, path, mark, listed)
        return
    (name, alias), rest = steps[0], steps[1:]
    if name != _EACH:
        yield from _values(getattr(value, name), rest, (*path, alias), listed, mark)
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(mark, Names) or getattr(item, "state", "active") != "deleted":
            yield from _values(item, rest, (*path, key), path, mark)


@cache
def _marks(model: type[BaseModel]) -> tuple[tuple[tuple[tuple[str, str], ...], Refers | Names], ...]:
    """Steps to each marked field of a model, as pairs of attribute and YAML name."""
    found: list[tuple[tuple[tuple[str, str], ...], Refers | Names]] = []
    for name, info in model.model_fields.items():
        step = (name, info.alias or name)
        found += [((step,), mark) for mark in info.metadata if isinstance(mark, (Refers, Names))]
        found += [((step, *below), mark) for below, mark in _inside(info.annotation)]
    return tuple(found)


def _inside(annotation: Any) -> Iterator[tuple[tuple[tuple[str, str], ...], Refers | Names]]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _marks(annotation)
    elif origin is Annotated:
        yield from (((), mark) for mark in arguments[1:] if isinstance(mark, (Refers, Names)))
        yield from _inside(arguments[0])
    elif origin in (list, dict):
        yield from ((((_EACH, _EACH), *below), mark) for below, mark in _inside(arguments[-1]))
    else:  # a union
        for argument in arguments:
            yield from _inside(argument)
