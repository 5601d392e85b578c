"""Formats values of resources: a column under its YAML name, a value like JSON, a secret as its reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tenantplan.model import address as addresses
from tenantplan.model.resource import GENERATED, Ref, Row, Secret
from tenantplan.model.rowtype import SECRET_TYPES
from tenantplan.rendering.parts import Field, clipped
from tenantplan.rendering.safe import mask_url
from tenantplan.tables import BUILTIN

SHORT = 80
LONG = 2000
_YAML_NAMES = {
    "company_name": "contact.company",
    "contact_email": "contact.email",
    "phone": "contact.phone",
    "address": "contact.address",
    "connection_limit": "database.connectionLimit",
    "pool_size": "database.pool.size",
    "pool_max_overflow": "database.pool.maxOverflow",
    "database_mode": "database.mode",
    "database_server": "database.server",
    "database_name": "database.name",
    "database_url": "database.url",
    "tier_id": "tier",
    "user_id": "user",
    "tenant_id": "tenant",
    "organization_id": "organization",
    "max_usage_count": "maxUsage",
    "password_hash": "password",
    "statement_timeout": "database.statementTimeout",
    "database_connection": "database.url (encrypted)",
    "owner_id": "owner",
    "team_id": "team",
    "template_id": "template",
    "bucket_id": "bucket",
    "invited_by_id": "invitedBy",
    "key_hash": "key",
    "file_size": "file (bytes)",
    "file_reference": "file (stored as)",
}


def camel(column: str) -> str:
    """The column's name as YAML would write it: "display_name" is "displayName"."""
    head, *rest = column.split("_")
    return head + "".join(word.capitalize() for word in rest)


def label(table: str, column: str) -> str:
    """The YAML field that a column holds."""
    if table == "admin_users" and column == "name":
        return "displayName"
    return _YAML_NAMES.get(column) or camel(column)


def show(value: Any, limit: int = SHORT) -> str:
    """The value like JSON, in `limit` characters at most."""
    if isinstance(value, Ref):
        return clipped(addresses.name(value.address), limit)
    if isinstance(value, Secret):
        return _reference(value.reference)
    return clipped(json.dumps(_masked(value), ensure_ascii=False, sort_keys=True), limit)


def changes(before: Row, after: Row, prefix: str = "", limit: int = SHORT) -> Iterator[Field]:
    """The fields in which two states of a row differ, nested ones each by itself: `featureFlags.MAGIC_WAND`."""
    for column in sorted(before.values.keys() | after.values.keys()):
        old, new = before.values.get(column), after.values.get(column)
        if old != new:
            for path, one, other in _differences(old, new):
                yield _field(after.table, column, prefix + label(after.table, column) + path, one, other, limit)


def effective(row: Row, limit: int = SHORT) -> Iterator[Field]:
    """The values a new row gets, defaults of its tier included; what is unset is left out."""
    rowtype = BUILTIN.get(row.table)
    hidden = {rowtype.name, rowtype.parent} if rowtype else set()
    for column, value in {**row.values, **row.initial}.items():
        if column not in hidden and value not in (None, {}, []):
            field = _field(row.table, column, label(row.table, column), None, value, limit)
            yield Field("+", field.label, None, field.after)


_ABSENT = object()


def _field(table: str, column: str, name: str, before: Any, after: Any, limit: int) -> Field:
    if _secret(table, column) or isinstance(before, Secret) or isinstance(after, Secret):
        shown = _reference(after.reference) if isinstance(after, Secret) else "(secret)"
        return Field("~", name, None, "(secret removed)" if after is None else f"{shown} (secret changed)")
    if column == "database_url":  # a reference by its own CHECK; anything else is never shown
        before, after = (Secret(v) if isinstance(v, str) else v for v in (before, after))
    sign = "+" if before is _ABSENT else "-" if after is _ABSENT else "~"
    old, new = (None if value is _ABSENT else show(value, limit) for value in (before, after))
    return Field(sign, name, old, new)


def _differences(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        yield "", before, after
        return
    from deepdiff import DeepDiff
    from deepdiff.helper import NotPresent

    tree = DeepDiff(dict(before), dict(after), view="tree", threshold_to_diff_deeper=0)
    levels = [level for kind in tree.values() for level in kind]
    found = [(_path(level.path(output_format="list")), level.t1, level.t2) for level in levels]
    for path, one, other in sorted(found, key=lambda item: item[0]):
        one, other = (_ABSENT if isinstance(value, NotPresent) else value for value in (one, other))
        yield path, one, other


def _path(keys: list[Any]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def _secret(table: str, column: str) -> bool:
    return table in BUILTIN and BUILTIN[table].columns.get(column) in SECRET_TYPES


def _reference(reference: str | None) -> str:
    source, separator, name = (reference or "").partition(":")
    if f"{source}{separator}" == GENERATED:
        return f"{{generated, delivered to {name}}}"
    return f"{{{source}: {name}}}" if separator and source in ("env", "file") else "(secret)"


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, Mapping):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return show(value) if isinstance(value, (Ref, Secret)) else value
