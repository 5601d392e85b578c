"""Addresses: stable, readable names of resources, such as `organization/msf/member/anna@x.org`.

The first two segments name a document's object ("organization/msf"), further pairs what is nested in it.
Objects of a server carry server and name: `database/primary/tenantplan_org_msf`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tenantplan.model.resource import Resource, Row

FLEET = "fleet"
_FLEET_KINDS = {"tier", "user", "adminuser", "role"}


def role(server: str, name: str) -> str:
    """The address of a role."""
    return f"role/{server}/{name}"


def database(server: str, name: str) -> str:
    """The address of a database."""
    return f"database/{server}/{name}"


def schema(server: str, name: str) -> str:
    """The address of a database's schema."""
    return f"schema/{server}/{name}"


def document(address: str) -> str:
    """The declared object a nested address belongs to: its first two segments."""
    return "/".join(address.split("/", 2)[:2])


def owner(address: str, resource: Resource | None) -> str:
    """The declared object that a resource serves: its holder's, else the one its own address names."""
    if resource is None or isinstance(resource, Row):
        return document(address)
    return document(resource.holder) if resource.holder else address


def scope(address: str, resource: Resource | None) -> str:
    """The track that an operation runs in: an organization or tenant, or "fleet" for what all of them share."""
    held = owner(address, resource)
    return FLEET if held.split("/", 1)[0] in _FLEET_KINDS else held


def renamed(address: str, renames: Mapping[str, str]) -> str:
    """The address after renames of it or of the object it is nested in."""
    if address in renames:
        return renames[address]
    head = document(address)
    if head in renames and address.startswith(head + "/"):
        return renames[head] + address[len(head) :]
    return address
