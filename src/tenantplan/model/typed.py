"""Whether a value read from a file is what its class says: types are hints to a reader, and a file may hold anything."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], bool]


def fits(value: Any, annotation: Any) -> bool:
    """Whether `value` is of a type, down to the last field and item; of what is called Any, only that it is plain JSON.

    Understood are the types that plans are made of: dataclasses, tuples, mappings with text as keys, unions, plain values.
    """
    return _check(annotation)(value)


@cache
def _check(annotation: Any) -> Check:
    if annotation is Any:
        return _anything
    if annotation is None or annotation is type(None):
        return lambda value: value is None
    if is_dataclass(annotation):
        return _whole(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _one_of(tuple(_check(argument) for argument in arguments))
    if origin is tuple:
        return _tuple(arguments)
    if origin in (Mapping, dict):
        return _mapping(_check(arguments[1]))
    return lambda value: type(value) is annotation  # a bool is no int here


def _anything(value: Any) -> bool:
    return True


def _whole(kind: Any) -> Check:
    """Fields are looked up at the first value only: a class may be one of its own fields' types."""
    known: list[tuple[str, Check]] = []

    def check(value: Any) -> bool:
        if type(value) is not kind:
            return False
        if not known:
            hints = get_type_hints(kind)
            known.extend((field.name, _check(hints[field.name])) for field in fields(kind))
        return all(check(getattr(value, name)) for name, check in known)

    return check


def _one_of(checks: tuple[Check, ...]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _tuple(arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _check(arguments[0])
        return lambda value: type(value) is tuple and all(item(each) for each in value)
    each = tuple(_check(argument) for argument in arguments)
    return lambda value: (
        type(value) is tuple and len(value) == len(each) and all(check(v) for check, v in zip(each, value, strict=True))
    )


def _mapping(item: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(type(k) is str and item(v) for k, v in value.items())
