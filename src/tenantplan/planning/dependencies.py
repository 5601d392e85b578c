"""What each operation of a plan needs before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import (
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    access_of,
    befores,
    one,
    sides,
    tree_of,
)
from tenantplan.model.rowtype import Tables
from tenantplan.planning.delivered_again import renamed_first
from tenantplan.planning.roles_losing_connect import purges, roles_losing_connect

MAIN_SCOPE = "main"


def clone_of(schema: Schema) -> str:
    """The address of the database that a schema is in: a new one is a copy of a template, at a revision already."""
    return addresses.database(schema.server, schema.database)


def with_dependencies(operations: Iterable[Operation], tables: Tables) -> list[Operation]:
    """The operations with `depends_on` filled in from what they refer to."""
    listed = list(operations)
    by_address: dict[str, Operation] = {}
    for operation in listed:  # of a row made in two steps, others need the first
        by_address.setdefault(operation.address, operation)
    main = [operation for operation in listed if operation.scope == MAIN_SCOPE]
    held: dict[str, list[Operation]] = {}
    referring: dict[str, list[Operation]] = {}
    for operation in listed:
        for address in (*_referred_before(operation, tables), *roles_losing_connect(operation)):
            referring.setdefault(address, []).append(operation)
        if not isinstance(operation.subject, Row) and operation.scope != MAIN_SCOPE:
            held.setdefault(operation.owner, []).append(operation)
    result = []
    for operation in listed:
        needs = _needs(operation, by_address, held, referring)
        needs += [first] if (first := by_address[operation.address]) is not operation else []
        if operation.scope == MAIN_SCOPE:
            needs = [other for other in main if _before_in_main(other, operation)]
        else:
            needs += main
        ids = sorted({other.id for other in needs if other.id != operation.id})
        result.append(replace(operation, depends_on=tuple(ids)))
    return result


def _before_in_main(first: Operation, second: Operation) -> bool:
    """Whether one of two operations on the main database comes first: the database, its own tables, the shared ones."""
    rank = {None: 0, "main": 1, "shared": 2}
    return rank[tree_of(first.subject)] < rank[tree_of(second.subject)]


_Index = Mapping[str, list[Operation]]


def _needs(
    operation: Operation, by_address: Mapping[str, Operation], held: _Index, referring: _Index
) -> list[Operation]:
    if operation.action == "delete":
        return _needs_before_delete(operation, by_address, held, referring)
    resource = operation.subject
    match resource:
        case Row():
            # A row that is there can be referred to, whatever else becomes of it. Objects of a server are ready before the row
            # that sends the application to them; a database that is renamed serves under its new name before it is migrated.
            referred = (by_address.get(address) for address in resource.references.values())
            made = [other for other in referred if other is not None and other.before is None]
            made += renamed_first(operation, by_address)
            return made + [o for o in held.get(operation.address, []) if _comes_before_row(o)]
        case Database():
            wanted = _roles_of_database(operation, resource, by_address)
        case Role() if resource.serves and by_address[operation.address] is not operation:
            wanted = [addresses.database(resource.server, resource.serves)]
        case Role():
            wanted = [addresses.role(resource.server, name) for name in resource.member_of]
            row = by_address.get(resource.holder or "") if _bound(resource) else None
            wanted += [row.address] if row is not None and row.before is None else []
        case Schema():
            wanted = [clone_of(resource)]
        case Package():
            wanted = []
        case _:
            assert_never(resource)
    return [by_address[a] for a in wanted if a in by_address]


def _roles_of_database(operation: Operation, database: Database, by_address: Mapping[str, Operation]) -> list[str]:
    """Addresses of its owner and of who may connect, before and after: a renamed role keeps its grants, so it may be named either
    way."""
    both = (side for side in sides(operation, Database) if side is not None)
    names = {name for side in both for name in (side.owner, *(side.connect or ())) if name is not None}
    return [a for name in names if not purges(by_address.get(a := addresses.role(database.server, name)))]


def _comes_before_row(operation: Operation) -> bool:
    """Whether an object of a server has to be ready before the row of its organization is written."""
    renamed = tree_of(operation.after) is not None and operation.renamed_from is not None
    return operation.action != "delete" and not _bound(operation.after) and not renamed


def _bound(resource: Resource | None) -> bool:
    """Whether it is a role that is bound to the row of its organization, which has to be there first."""
    return access_of(resource) == "bound"


def _needs_before_delete(
    operation: Operation, by_address: Mapping[str, Operation], held: _Index, referring: _Index
) -> list[Operation]:
    """Retiring begins with the row, so that the application stops first; a purge ends with it."""
    resource = operation.subject
    row = by_address.get(operation.owner)
    first = [row] if row is not None and operation.retire else []
    match resource:
        case Row() if operation.retire:
            return []
        case Row():  # after what refers to it is deleted too, or refers to something else
            objects = held.get(operation.address, [])
            return referring.get(operation.address, []) + [other for other in objects if other.action == "delete"]
        case Role():  # one that still owns a database, or may connect to it, cannot be dropped
            first += [] if operation.retire else referring.get(operation.address, [])
            gone = befores(held.get(operation.owner, []), Database)
            return first + [o for o, database in gone if o.action == "delete" and database.server == resource.server]
        case Database() | Schema() | Package():
            return first
        case _:
            assert_never(resource)


def _referred_before(operation: Operation, tables: Tables) -> list[str]:
    """Addresses of the rows that a row refers to before the operation. Late references go by themselves: when the row does,
    PostgreSQL empties them."""
    row = one(operation.before, Row)
    if row is None:
        return []
    late = tables[row.table].late if operation.action == "delete" else ()
    return [address for column, address in row.references.items() if column not in late]
