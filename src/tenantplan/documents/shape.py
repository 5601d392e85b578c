"""The values that a field accepts, read once from its annotation: so that `0123` stays text where text is asked for.

YAML's own guesses are not used. A plain scalar gets the type that its field has; only where a field takes anything
(free settings) does YAML 1.2's core schema decide.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


class Unread:
    """Annotation of a field whose node is passed on as it is."""


@dataclass(frozen=True)
class Shape:
    """The kinds of value that fit. `choices` are words of a Literal; `item` and `value` shape a list and a mapping."""

    text: bool = False
    flag: bool = False
    whole: bool = False
    real: bool = False
    null: bool = False
    anything: bool = False
    unread: bool = False
    choices: tuple[str, ...] = ()
    item: Shape | None = None
    value: Shape | None = None
    model: type[BaseModel] | None = None

    @cached_property
    def words(self) -> bool:
        """Whether every scalar is text, but for null: no guess about it is needed."""
        return self.text and not (self.flag or self.whole or self.real)

    @property
    def expected(self) -> str:
        """What fits, in words."""
        words = [
            ("text", self.text),
            ("one of " + ", ".join(self.choices), bool(self.choices)),
            ("true or false", self.flag),
            ("a whole number of at most 18 digits", self.whole),
            ("a number such as 1.5", self.real),
            ("a list", self.item is not None),
            ("a mapping", self.value is not None or self.model is not None),
        ]
        return " or ".join(word for word, fits in words if fits) or "null"


ANYTHING = Shape(text=True, flag=True, whole=True, real=True, null=True, anything=True)
_SCALARS: dict[Any, Shape] = {
    bool: Shape(flag=True),
    int: Shape(whole=True),
    float: Shape(whole=True, real=True),
    type(None): Shape(null=True),
    list: Shape(item=ANYTHING),
    dict: Shape(value=ANYTHING),
    Any: ANYTHING,
    object: ANYTHING,
}


@cache
def fields_of(model: type[BaseModel]) -> dict[str, Shape]:
    """Name in YAML -> shape, for every field of a model."""
    return {
        info.alias or name: shape_of(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)
        for name, info in model.model_fields.items()
    }


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation; a type that is not known here (a path, a date) takes text."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        if any(extra is Unread or isinstance(extra, Unread) for extra in arguments[1:]):
            return Shape(unread=True)
        return shape_of(arguments[0])
    if origin is Literal:
        return Shape(choices=tuple(word for word in arguments if isinstance(word, str)))
    if origin in (Union, types.UnionType):
        return _either([shape_of(argument) for argument in arguments])
    if origin in (list, tuple, set, frozenset):
        return Shape(item=shape_of(arguments[0]) if arguments else ANYTHING)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Shape(value=shape_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(model=annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return Shape(choices=tuple(str(member.value) for member in annotation))
    return _SCALARS.get(annotation, Shape(text=True))


def _either(shapes: list[Shape]) -> Shape:
    """The union of shapes."""
    merged = shapes[0]
    for other in shapes[1:]:
        changes = {name: getattr(merged, name) or getattr(other, name) for name in Shape.__dataclass_fields__}
        merged = replace(merged, **changes)
    return merged
