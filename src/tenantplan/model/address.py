"""Addresses and locations: what things are called, and where they are. Nothing else composes them or takes them apart.

An address is the stable, readable name of a resource, such as `organization/msf/member/anna@x.org`. The first two segments
name a document's object ("organization/msf"), further pairs what is nested in it. Objects of a server carry server and name:
`database/primary/tenantplan_org_msf`.

A location is a database on a server. Servers go by their aliases in the fleet file; a database that an organization brought
is alone on a server of its own, `url:NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, State

FLEET = "fleet"
MAIN = "primary"  # the server of the main database
_BROUGHT = "url:"  # how the server of a database begins that an organization brought


class Location(NamedTuple):
    """A database on a server; `database` None: the one that the server's connection string names."""

    server: str
    database: str | None = None

    @property
    def is_brought(self) -> bool:
        """Whether an organization brought it."""
        return is_brought(self.server)

    @property
    def server_label(self) -> str:
        """What people read for its server."""
        return "its own" if self.is_brought else self.server


def is_brought(server: str) -> bool:
    """Whether a server is a database that an organization brought, in which tenantplan has its login's rights only."""
    return server.startswith(_BROUGHT)


def brought(holder: str) -> str:
    """The server that the database is which an organization brought, or a tenant."""
    return _BROUGHT + name(holder)


def brought_by(server: str) -> str:
    """The slug of the organization that brought the database."""
    return server.removeprefix(_BROUGHT)


def organization(slug: str) -> str:
    """The address of an organization."""
    return f"organization/{slug}"


def named(text: str) -> str:
    """The address that a person means: an organization's by its slug, or a tenant's by `tenant/NAME`."""
    return text if "/" in text else organization(text)


def spoken(address: str) -> str:
    """What a person calls it, the reverse of `named`."""
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
    """The address of a kind that a fleet declares itself, in findings."""
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


def schema_in(database: str) -> str:
    """The address of the schema in the database of an address."""
    return f"schema/{name(database)}"


def shared_schema(main_database: str) -> str:
    """The address of the shared tables, which have a revision of their own in the main database."""
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


def database_of(schema: str) -> str:
    """The address of the database that the schema of an address is in."""
    return f"database/{name(schema)}"


def kind(address: str) -> str:
    """The first segment: what sort of thing it is."""
    return address.partition("/")[0]


def name(address: str) -> str:
    """All that follows the kind: "msf", "msf/member/anna@x.org"."""
    return address.partition("/")[2]


def last(address: str) -> str:
    """The last segment: the name of a role or database on its server, or of what is nested."""
    return address.rpartition("/")[2]


def label(address: str) -> str:
    """What a sentence calls it after its kind: "msf", "msf/member/anna@x.org"; a role or database by its name on its server."""
    return last(address) if address.count("/") == 2 else name(address)


def nested(address: str) -> str:
    """What follows the document's object: "member/anna@x.org"; "" for the object itself."""
    return "".join(address.split("/", 2)[2:])


def is_document(address: str) -> bool:
    """Whether it names a document's object, and nothing that is nested in one or on a server."""
    return address.count("/") == 1


def is_below(address: str, ancestor: str) -> bool:
    """Whether it is nested in another one."""
    return address.startswith(ancestor + "/")


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
    if head in renames and is_below(address, head):
        return renames[head] + address[len(head) :]
    return address


def whose(holder: str) -> str:
    """What a target calls the organization of an address, or the tenant that has a database of its own; what is nested in it,
    such as the login that only reads, follows after a dot."""
    dotted = ".".join(part for part in name(holder).split("/") if part != "login")
    return dotted if kind(holder) == "organization" else f"{kind(holder)}.{dotted}"
