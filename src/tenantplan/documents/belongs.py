"""Suggests where a misplaced field belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from pydantic import BaseModel

from tenantplan.documents.envelope import Envelope
from tenantplan.documents.shape import Shape, fields_of

_DEEPEST = 4
_MOST = 3  # a name that stands in more places than that is no hint


def belongs(name: str, kind: type[BaseModel] | None, kinds: Mapping[str, type[BaseModel]]) -> str:
    """`belongs in ...` for the name of a field that documents of a kind have elsewhere, or other kinds have; "" when it has no
    place, or too many."""
    found = [path for path in _paths("", Envelope) if _last(path) == name]
    found += [path for path in _paths("spec.", kind) if _last(path) == name] if kind else []
    if 0 < len(found) <= _MOST:
        return f"it belongs at `{'` or `'.join(found)}`"
    others = [word for word, spec in kinds.items() if spec is not kind and name in fields_of(spec)]
    if found or not 0 < len(others) <= _MOST:
        return ""
    return f"it belongs in the spec of {' or '.join(others)}"


def _last(path: str) -> str:
    return path.rpartition(".")[2].removesuffix("[]")


@cache
def _paths(prefix: str, model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(_below(prefix, model, 0))


def _below(prefix: str, model: type[BaseModel], depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for name, shape in fields_of(model).items():
        path = prefix + name
        yield path
        inner, more = _model(shape)
        if inner is not None:
            yield from _below(f"{path}{more}.", inner, depth + 1)


def _model(shape: Shape) -> tuple[type[BaseModel] | None, str]:
    """The model that a field holds, and what stands between its name and theirs."""
    if shape.model is not None:
        return shape.model, ""
    if shape.item is not None:
        return shape.item.model, "[]"
    return (shape.value.model, ".NAME") if shape.value is not None else (None, "")
