"""What a state is made of: a handful of resource types that the engine knows, and no YAML kind.

Desired and live use the same types, so that a difference is a comparison of values. References between rows
are addresses (`Ref`), never row ids: ids belong to the database and are filled in when an operation runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, assert_never

# The role that owns what migrations make in tenants' databases, on each server: it owns no database and has no rights beside.
OWNER = "tenantplan_owner"
# PostgreSQL cuts a longer name without a word.
MAX_NAME_BYTES = 63
# The databases that a server of PostgreSQL has from the start.
INITIAL_DATABASES = ("postgres", "template0", "template1")
# How the names of roles begin that make other roles for tenantplan's.
CREATOR = "tenantplan_creator_"

# JSON values plus Ref and Secret. Timestamps are ISO 8601 strings in UTC ("2027-01-31T00:00:00Z").
Value = Any


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to another row by its address."""

    address: str


GENERATED = "generate:"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference ("env:NAME" or "file:path") with a keyed hash of its value, or one that is generated when it is
    set ("generate:TARGET", or "generate:TARGET:BYTES").

    Two secrets are equal when their keyed hashes are. `keyed` is None while the value or the key is not known.
    """

    reference: str | None = field(default=None, compare=False)
    keyed: str | None = None

    @property
    def target(self) -> str | None:
        """Where a generated secret goes; None: it is by reference."""
        found = self.reference is not None and self.reference.startswith(GENERATED)
        return str(self.reference).removeprefix(GENERATED).partition(":")[0] if found else None

    @property
    def bytes(self) -> int:
        """How many random bytes a generated one has."""
        return int(str(self.reference).removeprefix(GENERATED).partition(":")[2] or 32)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the main database: `values` maps declared columns to values. `id` is the live row's key.

    `initial` is written when the row is made and left to the application afterwards; `observed` is what the application
    made of it. `home` is the address of the row it belongs to, such as its organization's. `manager` is the fleet that
    manages a live row, None: the application made it.
    """

    table: str
    values: Mapping[str, Value]
    initial: Mapping[str, Value] = field(default_factory=dict, compare=False)
    observed: Mapping[str, Value] = field(default_factory=dict, compare=False)
    home: str | None = field(default=None, compare=False)
    id: str | None = field(default=None, compare=False)
    managed: bool = field(default=True, compare=False)
    manager: str | None = field(default=None, compare=False)
    retired_at: str | None = field(default=None, compare=False)

    @property
    def references(self) -> dict[str, str]:
        """Column -> address of the row it refers to."""
        return {column: value.address for column, value in self.values.items() if isinstance(value, Ref)}


@dataclass(frozen=True, slots=True)
class Role:
    """A role of one server. `connection_limit` -1 is unlimited, `statement_timeout` is in ms, 0: none.

    `overridden_in` are databases where it has another one. `holder` is the address it belongs to. `access` is what it may do
    with the tenant tables of the main database: "write" or "read" them, as a group; "pool": name an organization for each
    transaction; "bound": be its holder, an organization. None: nothing. `ends_before`: sessions that began before this time
    (ISO 8601) have the password before the present one, and are to be ended after its grace period. `serves`: the database
    that an application connects to with it, where tenantplan hands it the password. `sessions` counts those that are open, of a
    role that is closed.
    """

    server: str
    name: str
    login: bool = False
    connection_limit: int = -1
    member_of: tuple[str, ...] = ()
    password: Secret | None = None
    holder: str | None = None
    statement_timeout: int = 0
    overridden_in: tuple[str, ...] = ()
    access: str | None = None
    ends_before: str | None = field(default=None, compare=False)
    serves: str | None = field(default=None, compare=False)
    managed: bool = field(default=True, compare=False)
    retired_at: str | None = field(default=None, compare=False)
    sessions: int = field(default=0, compare=False)

    def shut(self) -> Role:
        """The role as one that nobody logs in with."""
        return replace(self, login=False)


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one server. `connect` names the roles that may CONNECT (None: not tenantplan's business)."""

    server: str
    name: str
    owner: str | None = None
    connection_limit: int = -1
    allow_connections: bool = True
    connect: tuple[str, ...] | None = None
    holder: str | None = None
    managed: bool = field(default=True, compare=False)
    retired_at: str | None = field(default=None, compare=False)

    def shut(self) -> Database:
        """The database as one that no role may connect to."""
        return replace(self, connect=())


@dataclass(frozen=True, slots=True)
class Schema:
    """The revision of one database; `tree` is "main", "tenant" or "shared" (the tenant tree in the main database). None: no
    revision applied. `halfway` is the mark of a migration that stopped between two of its steps. `changed_by_others`: the
    sentinel saw DDL that was not tenantplan's. `repaired` is the id of the operation that last repaired it.
    """

    server: str
    database: str
    tree: str
    revision: str | None = None
    holder: str | None = field(default=None, compare=False)
    halfway: str | None = None
    changed_by_others: bool = field(default=False, compare=False)
    repaired: str | None = field(default=None, compare=False)

    @property
    def managed(self) -> bool:
        """A schema is tenantplan's wherever it looks at one."""
        return True

    @property
    def retired_at(self) -> None:
        """A schema is not retired: its database is."""
        return None


@dataclass(frozen=True, slots=True)
class Package:
    """The file of a release in a store: `size` in bytes, `sha256` in hex, `key` where it is in the `store` (a URL without
    its password). `source` is the file to upload, relative to the fleet's root. `holder` is the release's address."""

    version: str
    store: str
    key: str
    size: int
    sha256: str
    source: str | None = field(default=None, compare=False)
    holder: str | None = None
    managed: bool = field(default=True, compare=False)
    retired_at: str | None = field(default=None, compare=False)


Resource = Row | Role | Database | Schema | Package
State = dict[str, Resource]
TYPES: dict[str, type] = {"row": Row, "role": Role, "database": Database, "schema": Schema, "package": Package}

ResourceType = TypeVar("ResourceType", Row, Role, Database, Schema, Package)


class Changing(Protocol):
    """What has a resource before and after: a change, or an operation of a plan."""

    @property
    def before(self) -> Resource | None:
        """The resource as it is; None: absent."""

    @property
    def after(self) -> Resource | None:
        """The resource as it is to be; None: absent."""


ChangingType = TypeVar("ChangingType", bound=Changing)


def of_type(state: Mapping[str, Resource | None], wanted: type[ResourceType]) -> dict[str, ResourceType]:
    """Those resources of a state that are of one type, by address, in the order of the state."""
    return {address: resource for address, resource in state.items() if isinstance(resource, wanted)}


def one(resource: Resource | None, wanted: type[ResourceType]) -> ResourceType | None:
    """The resource if it is of the type; None: it is of another, or absent."""
    return resource if isinstance(resource, wanted) else None


def sides(change: Changing, wanted: type[ResourceType]) -> tuple[ResourceType | None, ResourceType | None]:
    """Before and after of a change, each None where it is absent or of another type."""
    return one(change.before, wanted), one(change.after, wanted)


def befores(changes: Iterable[ChangingType], wanted: type[ResourceType]) -> Iterator[tuple[ChangingType, ResourceType]]:
    """Those changes or operations that find a resource of one type, each with it."""
    for change in changes:
        if isinstance(change.before, wanted):
            yield change, change.before


def afters(changes: Iterable[ChangingType], wanted: type[ResourceType]) -> Iterator[tuple[ChangingType, ResourceType]]:
    """Those changes or operations that leave a resource of one type, each with it."""
    for change in changes:
        if isinstance(change.after, wanted):
            yield change, change.after


def expect(resource: Resource | None, wanted: type[ResourceType]) -> ResourceType:
    """The resource, which can only be of this type here: the table of effects, or what called, has seen to it."""
    assert isinstance(resource, wanted), f"this takes a {wanted.__name__}, not a {type(resource).__name__}"
    return resource


def server_object(resource: Resource | None) -> Role | Database | None:
    """The resource if it is an object of a server, which says itself whose it is (`holder`); None: it is not, or absent."""
    match resource:
        case Role() | Database():
            return resource
        case Row() | Schema() | Package() | None:
            return None
        case _:
            assert_never(resource)


def references_of(resource: Resource | None) -> dict[str, str]:
    """Column -> address of the row that a row refers to; nothing else refers to rows."""
    match resource:
        case Row():
            return resource.references
        case Role() | Database() | Schema() | Package() | None:
            return {}
        case _:
            assert_never(resource)


def access_of(resource: Resource | None) -> str | None:
    """What a role may do with the tenant tables of the main database (see Role); None: nothing, or it is no role."""
    match resource:
        case Role():
            return resource.access
        case Row() | Database() | Schema() | Package() | None:
            return None
        case _:
            assert_never(resource)


def tree_of(resource: Resource | None) -> str | None:
    """The tree of a schema (see Schema); None: it is no schema."""
    match resource:
        case Schema():
            return resource.tree
        case Row() | Role() | Database() | Package() | None:
            return None
        case _:
            assert_never(resource)


GROUPS = ("tenantplan_rw", "tenantplan_ro")  # roles that write and that read in the databases of tenants
CHANGED_OUTSIDE = "changed outside tenantplan"  # the keyed hash of a secret that somebody else set
