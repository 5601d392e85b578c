"""Resources to JSON values and back, and the canonical JSON that every digest is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, assert_never

from tenantplan.model.resource import TYPES, Database, Package, Ref, Resource, Role, Row, Schema, Secret

_TAGS = {kind: tag for tag, kind in TYPES.items()}
_LIVE_ONLY = {"id", "managed", "manager", "retired_at", "observed", "home", "changed_by_others", "repaired", "sessions"}
_NAMES = {kind: tuple(f.name for f in fields(kind) if f.name not in _LIVE_ONLY) for kind in TYPES.values()}
Members = dict[str, bytes]
_AS_IS = (str, bool, int, type(None))


def to_json(resource: Resource | None) -> dict[str, Any] | None:
    """The resource as a JSON object with its `type`; facts of the live side (row id, ownership) are left out."""
    if resource is None:
        return None
    found: dict[str, Any] = {"type": _TAGS[type(resource)]}
    for name in _NAMES[type(resource)]:
        if not _left_out(resource, name):
            found[name] = _plain(getattr(resource, name))
    return found


def _left_out(resource: Resource, name: str) -> bool:
    """What few resources have stands in their JSON only."""
    match resource:
        case Schema():
            return name == "halfway" and resource.halfway is None
        case Role():
            return name in ("access", "ends_before", "serves") and getattr(resource, name) is None
        case Row():
            return name == "initial" and not resource.initial
        case Database() | Package():
            return False
        case _:
            assert_never(resource)


def from_json(document: Mapping[str, Any] | None) -> Resource | None:
    """The resource that `to_json` wrote."""
    if document is None:
        return None
    values = {name: _rich(value) for name, value in document.items() if name != "type"}
    for name in ("member_of", "connect", "overridden_in"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    resource: Resource = TYPES[document["type"]](**values)
    return resource


def canonical(document: Any) -> bytes:
    """ASCII JSON with sorted keys and no spaces: the same value always gives the same bytes, and nothing in them is obeyed."""
    return inert(json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)).encode()


def members(document: Mapping[str, Any]) -> Members:
    """The members of an object, each as its canonical JSON."""
    return {name: canonical(value) for name, value in document.items()}


def joined(found: Members) -> bytes:
    """The canonical JSON of the object that has these members."""
    return b"{" + b",".join(canonical(name) + b":" + found[name] for name in sorted(found)) + b"}"


def inert(text: str) -> str:
    """ASCII JSON whose strings hold nothing that a terminal obeys, nor the `##[command]` of a CI runner; its value stays."""
    return text.replace("\x7f", "\\u007f").replace("##[", "#\\u0023[")


def digest(document: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(document)).hexdigest()


def fingerprint(resource: Resource | None) -> str:
    """Digest of what a resource looked like: what an operation expects to find when it runs."""
    identity = {"id": resource.id} if isinstance(resource, Row) else {}
    return digest([to_json(resource), identity])


def _plain(value: Any) -> Any:
    if type(value) in _AS_IS:
        return value
    if isinstance(value, Ref):
        return {"$ref": value.address}
    if isinstance(value, Secret):
        return {"$secret": value.reference, "keyed": value.keyed}
    if isinstance(value, Mapping):
        return {_escaped(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _escaped(key: str) -> str:
    """A key of somebody's own JSON that cannot be taken for `$ref` or `$secret`."""
    return f"${key}" if key.startswith("$") else key


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _rich(value: Any) -> Any:
    if type(value) in _AS_IS:
        return value
    if isinstance(value, dict):
        if value.keys() == {"$ref"}:
            return Ref(_text(value["$ref"]))
        if value.keys() == {"$secret", "keyed"}:
            known = (value["$secret"], value["keyed"])
            return Secret(*(None if part is None else _text(part) for part in known))
        return {key[1:] if key.startswith("$$") else key: _rich(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rich(item) for item in value]
    return value
