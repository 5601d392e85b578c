"""What each operation of a plan needs before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema
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
        before, gone = operation.before, operation.action == "delete"
        late = tables[before.table].late if gone and isinstance(before, Row) else ()  # PostgreSQL empties those itself
        for address in (*_references(before, without=late), *roles_losing_connect(operation)):
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
    rank = {"database": 0, "main": 1, "shared": 2}

    def position(operation: Operation) -> int:
        resource = operation.subject
        return rank[resource.tree] if isinstance(resource, Schema) else 0

    return position(first) < position(second)


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
            made = [other for a in _references(resource) if (other := by_address.get(a)) and other.before is None]
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
    sides = [database, operation.before] if isinstance(operation.before, Database) else [database]
    names = {name for side in sides for name in (side.owner, *(side.connect or ())) if name is not None}
    return [a for name in names if not purges(by_address.get(a := addresses.role(database.server, name)))]


def _comes_before_row(operation: Operation) -> bool:
    """Whether an object of a server has to be ready before the row of its organization is written."""
    renamed = isinstance(operation.after, Schema) and operation.renamed_from is not None
    return operation.action != "delete" and not _bound(operation.after) and not renamed


def _bound(resource: Resource | None) -> bool:
    """Whether it is a role that is bound to the row of its organization, which has to be there first."""
    return isinstance(resource, Role) and resource.access == "bound"


def _needs_before_delete(
    operation: Operation, by_address: Mapping[str, Operation], held: _Index, referring: _Index
) -> list[Operation]:
    """Retiring begins with the row, so that the application stops first; a purge ends with it."""
    resource = operation.before
    objects = held.get(operation.address, [])
    if isinstance(resource, Row):  # after what refers to it is deleted too, or refers to something else
        if operation.retire:
            return []
        return referring.get(operation.address, []) + [other for other in objects if other.action == "delete"]
    row = by_address.get(addresses.owner(operation.address, resource))
    first = [row] if row is not None and operation.retire else []
    if isinstance(resource, Role):  # a role that still owns a database, or may connect to it, cannot be dropped
        others = held.get(addresses.owner(operation.address, resource), [])
        first += [] if operation.retire else referring.get(operation.address, [])
        gone = [(o, o.before) for o in others if o.action == "delete" and isinstance(o.before, Database)]
        first += [o for o, database in gone if database.server == resource.server]
    return first


def _references(resource: Resource | None, without: Iterable[str] = ()) -> list[str]:
    """Addresses of the rows that a row refers to, by other columns than those."""
    if not isinstance(resource, Row):
        return []
    return [address for column, address in resource.references.items() if column not in without]
