"""A resource in a few words, as an entry says what is made or moved."""

from __future__ import annotations

from typing import assert_never

from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, Secret
from tenantplan.rendering.parts import counted
from tenantplan.rendering.values import show
from tenantplan.tables import BUILTIN

_TELLING = (
    ("tier_id", "tier "),
    ("organization_id", "organization "),
    ("team_id", "team "),
    ("template_id", "template "),
    ("provider", ""),
    ("version", "version "),
    ("role", ""),
    ("access", ""),
    ("status", ""),
)
_NOUNS = {"apikey": "API key", "license": "licence"}


def describe(operation: Operation) -> str:
    """A new resource in a few words."""
    resource = operation.after
    match resource:
        case Row():
            return _row(resource) or operation.summary
        case Role():
            bound = ", bound to it by the server" if resource.access == "bound" else ""
            return f"{'login' if resource.login else 'group'} role" + _members(resource) + bound
        case Database():
            return f"database {resource.name}" + (f" at {operation.revisions[-1]}" if operation.revisions else "")
        case Package():
            return f"{counted(resource.size, 'byte')} in {resource.store}"
        case Schema() | None:
            return operation.summary
        case _:
            assert_never(resource)


def _members(role: Role) -> str:
    return f" in {', '.join(role.member_of)}" if role.member_of else ""


def _row(row: Row) -> str:
    """What tells one row of its kind from another."""
    values = {**row.initial, **row.values}
    parts: list[str] = []
    if row.table == "organizations":
        mode = str(values.get("database_mode") or "shared")
        parts.append(f"{mode}, {home_of(row)}" if values.get("database_url") else mode)
        parts += [f"state {values['state']}"] if values.get("state") not in (None, "active") else []
    if row.table == "organization_modules":
        parts.append("enabled" if values.get("enabled") else "disabled")
    parent = BUILTIN[row.table].parent if row.table in BUILTIN else None
    for column, word in _TELLING:
        if values.get(column) is not None and parent != column:
            value = values[column]
            parts.append(word + (value if isinstance(value, str) else show(value)))
    if values.get("rotate_every_days"):
        parts.append(f"to be rotated every {counted(values['rotate_every_days'], 'day')}")
    if values.get("expires_at"):
        parts.append(f"expires {str(values['expires_at'])[:10]}")
    if flags := values.get("feature_flags"):
        parts.append(counted(len(flags), "feature flag"))
    if not parts and values.get("display_name"):
        parts.append(show(values["display_name"]))
    return ", ".join(parts)


def kind_of(resource: Resource) -> str:
    """What kind of thing it is, as a noun: "team", "API key", "role", "database"."""
    match resource:
        case Row():
            kind = BUILTIN[resource.table].kind if resource.table in BUILTIN else "row"
            return _NOUNS.get(kind, kind)
        case Role() | Database() | Schema() | Package():
            return type(resource).__name__.lower()
        case _:
            assert_never(resource)


def home_of(row: Row) -> str:
    """Where the data of an organization or tenant is, by its row."""
    values = row.values
    if values.get("database_url"):
        return f"its own database at {show(Secret(str(values['database_url'])))}"
    if values.get("database_mode") == "dedicated":
        return f"database {values.get('database_name')} on {values.get('database_server')}"
    if values.get("database_mode") is None:
        return "nowhere"
    return "the organization's database" if values.get("database_mode") == "inherit" else "the shared tables"
