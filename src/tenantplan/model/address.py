"""Addresses: stable, readable names of resources, such as `organization/msf/member/anna@x.org`.

The first two segments name a document's object ("organization/msf"), further pairs what is nested in it.
Objects of a server carry server and name: `database/primary/tenantplan_org_msf`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, State

FLEET = "fleet"
MAIN = "primary"  # the server of the main database


def role(server: str, name: str) -> str:
    """The address of a role."""
    return f"role/{server}/{name}"


def database(server: str, name: str) -> str:
    """The address of a database."""
    return f"database/{server}/{name}"


def schema(server: str, name: str) -> str:
    """The address of a database's schema."""
    return f"schema/{server}/{name}"


def package(version: str) -> str:
    """The address of an update package."""
    return f"package/{version}"


def server_of(resource: Resource) -> str:
    """Alias of the server that a resource is on: rows and packages are in the main database."""
    match resource:
        case Row() | Package():
            return MAIN
        case Role() | Database() | Schema():
            return resource.server
        case _:
            assert_never(resource)


def document(address: str) -> str:
    """The declared object a nested address belongs to: its first two segments."""
    return "/".join(address.split("/", 2)[:2])


def owner(address: str, resource: Resource | None) -> str:
    """The declared object that a resource serves: its holder's, else the one its own address names."""
    if resource is None or isinstance(resource, Row):
        return document(address)
    return document(resource.holder) if resource.holder else address


def scope(address: str, resource: Resource | None, *states: State) -> str:
    """The track that an operation runs in: the organization or tenant whose it is, or "fleet" for what all of them share.

    A row leads there by its `home`; `states` are where the rows it passes on the way are looked up.
    """
    held = owner(address, resource)
    for _ in range(_DEPTH):
        row = resource if held == address and isinstance(resource, Row) else _found(held, states)
        if row is None or "database_mode" in row.values:
            return held if row is not None or has_placement(held) else FLEET
        if row.home is None:
            return FLEET
        held = document(row.home)
    return FLEET


_DEPTH = 10  # homes are few steps away


def _found(address: str, states: tuple[State, ...]) -> Row | None:
    return next((row for state in states if isinstance(row := state.get(address), Row)), None)


def has_placement(address: str) -> bool:
    """Whether an address or scope is that of an organization or tenant, or nested in one: those say where data live."""
    return address.startswith(("organization/", "tenant/"))


def renamed(address: str, renames: Mapping[str, str]) -> str:
    """The address after renames of it or of the object it is nested in."""
    if address in renames:
        return renames[address]
    head = document(address)
    if head in renames and address.startswith(head + "/"):
        return renames[head] + address[len(head) :]
    return address


def whose(holder: str) -> str:
    """What a target calls the organization of an address, or the tenant that has a database of its own; what is nested in it,
    such as the login that only reads, follows after a dot."""
    kind, _, rest = holder.partition("/")
    name = ".".join(part for part in rest.split("/") if part != "login")
    return name if kind == "organization" else f"{kind}.{name}"
