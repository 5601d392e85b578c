"""Addresses and locations: what things are called, and where they live. No other module composes or splits them.

An address is the stable, readable name of a resource, such as `organization/msf/member/anna@x.org`. The first two segments
name a document's object ("organization/msf"), further pairs what is nested in it. Objects of a server carry server and name:
`database/primary/tenantplan_org_msf`.

A location is a database on a server. Servers go by their aliases in the fleet file; a database that an organization brought
counts as a server of its own, `url:NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, State, one, references_of

FLEET = "fleet"
MAIN = "primary"  # the server of the main database
_BROUGHT = "url:"  # the prefix of the alias of a database that an organization brought


class Location(NamedTuple):
    """A database on a server. `database` None is the one that the server's connection string names."""

    server: str
    database: str | None = None

    @property
    def is_brought(self) -> bool:
        """Whether an organization brought this database."""
        return is_brought(self.server)

    @property
    def server_label(self) -> str:
        """The server as reports show it."""
        return "its own" if self.is_brought else self.server


def is_brought(server: str) -> bool:
    """Whether the alias is that of a database an organization brought, where tenantplan has only the rights of its login."""
    return server.startswith(_BROUGHT)


def brought_alias(holder: str) -> str:
    """The alias of the database that an organization, or a tenant, brought."""
    return _BROUGHT + name(holder)


def brought_slug(server: str) -> str:
    """The name of the organization or tenant that brought the database with this alias."""
    return server.removeprefix(_BROUGHT)


def organization(slug: str) -> str:
    """The address of an organization."""
    return f"organization/{slug}"


def from_name(text: str) -> str:
    """The address for a name typed by a person: an organization's slug, or `tenant/NAME`."""
    return text if "/" in text else organization(text)


def short_name(address: str) -> str:
    """The name a person would type for an address: the inverse of `from_name`."""
    return name(address) if kind(address) == "organization" else address


def server(alias: str) -> str:
    """The address of a server, in findings."""
    return f"server/{alias}"


def revision(tree: str, identifier: str) -> str:
    """The address of a revision, in findings."""
    return f"migrations/{tree}/{identifier}"


def run(identifier: str) -> str:
    """The address of a run, in findings and in the audit log."""
    return f"run/{identifier}"


def resource_kind(kind: str) -> str:
    """The address of a kind that the fleet itself declares, in findings."""
    return f"kind/{kind}"


def role(server: str, name: str) -> str:
    """The address of a role."""
    return f"role/{server}/{name}"


def database(server: str, name: str) -> str:
    """The address of a database."""
    return f"database/{server}/{name}"


def schema(server: str, name: str) -> str:
    """The address of a database's schema."""
    return f"schema/{server}/{name}"


def brought_schema(holder: str) -> str:
    """The address of the schema of a database that an organization brought."""
    return f"schema/{holder}"


def schema_of_database(database: str) -> str:
    """The address of the schema in the database at an address."""
    return f"schema/{name(database)}"


def database_of_schema(schema: str) -> str:
    """The address of the database that holds the schema at an address."""
    return f"database/{name(schema)}"


def shared_schema(main_database: str) -> str:
    """The address of the shared tables in the main database, which have a revision of their own."""
    return f"{schema(MAIN, main_database)}/shared"


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


def kind(address: str) -> str:
    """The first segment: the kind of thing addressed."""
    return address.partition("/")[0]


def name(address: str) -> str:
    """Everything after the kind: "msf", "msf/member/anna@x.org"."""
    return address.partition("/")[2]


def last_segment(address: str) -> str:
    """The last segment: the name of a role or database on its server, or of a nested object."""
    return address.rpartition("/")[2]


def label(address: str) -> str:
    """The name to put after the kind in a sentence: "msf", "msf/member/anna@x.org", or a role's or database's own name."""
    return last_segment(address) if address.count("/") == 2 else name(address)


def nested(address: str) -> str:
    """What follows the document's object: "member/anna@x.org", or "" for the object itself."""
    return "".join(address.split("/", 2)[2:])


def is_document(address: str) -> bool:
    """Whether the address is that of a document's object, rather than of something nested in one or on a server."""
    return address.count("/") == 1


def is_below(address: str, ancestor: str) -> bool:
    """Whether the address is nested in `ancestor`."""
    return address.startswith(ancestor + "/")


def document(address: str) -> str:
    """The declared object a nested address belongs to: its first two segments."""
    return "/".join(address.split("/", 2)[:2])


def owner(address: str, resource: Resource | None) -> str:
    """The declared object that a resource serves: its holder's, else the one its own address names."""
    match resource:
        case Row() | None:
            return document(address)
        case Role() | Database() | Schema() | Package():
            return document(resource.holder) if resource.holder else address
        case _:
            assert_never(resource)


def scope(address: str, resource: Resource | None, *states: State) -> str:
    """The track that an operation runs in: the organization or tenant whose it is, or "fleet" for what all of them share.

    A row leads there by its `home`; `states` are where the rows it passes on the way are looked up.
    """
    held, own = owner(address, resource), one(resource, Row)
    for _ in range(_DEPTH):
        row = own if held == address and own is not None else _found(held, states)
        if row is None or "database_mode" in row.values:
            return held if row is not None or has_placement(held) else FLEET
        if row.home is None:
            return FLEET
        held = document(row.home)
    return FLEET


_DEPTH = 10  # homes are few steps away


def _found(address: str, states: tuple[State, ...]) -> Row | None:
    found = (one(state.get(address), Row) for state in states)
    return next((row for row in found if row is not None), None)


def organization_of(scope: str, state: State) -> str:
    """The address of the organization that a tenant belongs to, as its row in a state has it; anything else is its own."""
    return references_of(state.get(scope)).get("organization_id", scope)


def has_placement(address: str) -> bool:
    """Whether an address or scope is that of an organization or tenant, or nested in one: those say where data live."""
    return address.startswith(("organization/", "tenant/"))


def renamed(address: str, renames: Mapping[str, str]) -> str:
    """The address after renames of it or of the object it is nested in."""
    if address in renames:
        return renames[address]
    head = document(address)
    if head in renames and is_below(address, head):
        return renames[head] + address[len(head) :]
    return address


def login_label(holder: str) -> str:
    """What a target calls the organization of an address, or the tenant that has a database of its own; what is nested in it,
    such as the login that only reads, follows after a dot."""
    dotted = ".".join(part for part in name(holder).split("/") if part != "login")
    return dotted if kind(holder) == "organization" else f"{kind(holder)}.{dotted}"
