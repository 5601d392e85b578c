"""Changes to Operations: what each step is called, how dangerous it is, and what it needs done before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.encode import digest, fingerprint, to_json
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Database, Ref, Resource, Role, Row, Schema

MAIN_SCOPE = "main"
_PLACEMENT = ("database_mode", "database_server", "database_name", "database_url")


@dataclass(frozen=True)
class Migration:
    """What it takes to bring one database from a revision to another: the revisions on the way, and the SQL."""

    revisions: tuple[str, ...]
    statements: tuple[str, ...]


def lower(
    changes: Sequence[Change], migrations: Mapping[str, Migration], *, main_database: str, main_server: str = "primary"
) -> list[Operation]:
    """Operations for the changes, each with the ids of those it depends on. `migrations` holds a Migration per schema address.

    A new database is a clone of a template at the newest revision, so its Schema is part of its creation.
    """
    main = addresses.database(main_server, main_database)
    creating = {c.address for c in changes if isinstance(c.after, Database) and c.before is None and c.address != main}
    kept = [c for c in changes if not (isinstance(c.after, Schema) and _clone_of(c.after) in creating)]
    operations = [_operation(change, migrations, main) for change in kept]
    return _with_dependencies(operations)


def _clone_of(schema: Schema) -> str:
    return addresses.database(schema.server, schema.database)


def _operation(change: Change, migrations: Mapping[str, Migration], main: str) -> Operation:
    action = _action(change)
    resource = change.after or change.before
    assert resource is not None
    migration = _migration(change, migrations)
    before_print = fingerprint(change.before)
    identity = [change.address, action, to_json(change.before), to_json(change.after), before_print]
    return Operation(
        id=digest([*identity, change.retire, list(migration.statements)])[:16],
        address=change.address,
        action=action,
        risk=_risk(change, action),
        scope=_scope(change.address, resource, main),
        transactional=not (isinstance(resource, Schema) or _outside(change)),
        summary=_summary(change, action, migration),
        before=change.before,
        after=change.after,
        fingerprint=before_print,
        statements=migration.statements if isinstance(resource, Schema) else (),
        renamed_from=change.renamed_from,
        retire=change.retire,
        revisions=migration.revisions,
    )


def _migration(change: Change, migrations: Mapping[str, Migration]) -> Migration:
    resource = change.after
    if isinstance(resource, Schema):
        return migrations[change.address]
    if isinstance(resource, Database) and change.before is None:
        return migrations.get(change.address, Migration((), ()))
    return Migration((), ())


def _outside(change: Change) -> bool:
    """Whether PostgreSQL refuses to do it in a transaction: CREATE and DROP DATABASE."""
    is_database = isinstance(change.after or change.before, Database)
    return is_database and not change.retire and (change.before is None or change.after is None)


def _scope(address: str, resource: Resource, main: str) -> str:
    if address == main or (isinstance(resource, Schema) and resource.tree != "tenant"):
        return MAIN_SCOPE
    return addresses.scope(address, resource)


def _action(change: Change) -> str:
    before, after = change.before, change.after
    if isinstance(after, Schema):
        return "migrate"
    if after is None:
        return "delete"
    if before is None:
        return "create"
    if isinstance(after, Row) and isinstance(before, Row) and moves(before, after):
        return "move"
    if isinstance(after, Database) and isinstance(before, Database):
        return "grant" if before == replace(after, connect=before.connect) else "update"
    return "update"


def moves(before: Row, after: Row) -> bool:
    """Whether the data of an organization or tenant changes its place: mode, server or the database it brought itself.

    A dedicated database that only gets another name stays where it is.
    """
    if _PLACEMENT[0] not in after.values:
        return False
    inherits = "inherit" in (before.values.get("database_mode"), after.values["database_mode"])
    if inherits and before.values.get("organization_id") != after.values.get("organization_id"):
        return True
    fixed = [column for column in _PLACEMENT if column in after.values and column != "database_name"]
    return any(before.values.get(column) != after.values[column] for column in fixed)


def _risk(change: Change, action: str) -> str:
    if action == "delete":
        return "destructive"
    if action in ("migrate", "move") or change.renamed_from:
        return "risky"
    before, after = change.before, change.after
    if (
        isinstance(before, Role)
        and isinstance(after, Role)
        and (before.login, before.password) != (after.login, after.password)
    ):
        return "risky"
    if isinstance(before, Row) and isinstance(after, Row) and before.values.get("state") != after.values.get("state"):
        return "risky"
    return "safe"


def _summary(change: Change, action: str, migration: Migration) -> str:
    resource = change.after or change.before
    if isinstance(resource, Schema):
        start = change.before.revision if isinstance(change.before, Schema) else None
        count = len(migration.revisions)
        return f"migrate {start or 'empty'} -> {resource.revision}: {count} revision{'s' if count != 1 else ''}"
    what = {Row: "row", Role: "role", Database: "database"}[type(resource)]
    if change.retire:
        return f"retire {what} {_name(change)}, restorable until its grace period ends"
    if action == "delete":
        return f"{'purge' if not isinstance(resource, Row) else 'delete'} {what} {_name(change)}"
    if change.renamed_from:
        return f"rename {what} {change.renamed_from.rsplit('/', 1)[-1]} to {_name(change)}"
    if isinstance(resource, Database) and action == "create" and migration.revisions:
        return f"create database {resource.name} on {resource.server} at revision {migration.revisions[-1]}"
    return f"{action} {what} {_name(change)}"


def _name(change: Change) -> str:
    return change.address.split("/", 2)[-1] if change.address.count("/") == 2 else change.address.split("/", 1)[1]


def _with_dependencies(operations: Iterable[Operation]) -> list[Operation]:
    """The operations with `depends_on` filled in from what they refer to."""
    listed = list(operations)
    by_address = {operation.address: operation for operation in listed}
    main = [operation for operation in listed if operation.scope == MAIN_SCOPE]
    held: dict[str, list[Operation]] = {}
    for operation in listed:
        resource = operation.after or operation.before
        if not isinstance(resource, Row) and operation.scope != MAIN_SCOPE:
            held.setdefault(addresses.owner(operation.address, resource), []).append(operation)
    result = []
    for operation in listed:
        needs = _needs(operation, by_address, held)
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
        resource = operation.after or operation.before
        return rank[resource.tree] if isinstance(resource, Schema) else 0

    return position(first) < position(second)


def _needs(
    operation: Operation, by_address: Mapping[str, Operation], held: Mapping[str, list[Operation]]
) -> list[Operation]:
    resource = operation.after or operation.before
    if operation.action == "delete":
        return _needs_before_delete(operation, by_address, held)
    wanted: list[str] = []
    if isinstance(resource, Row):
        wanted += [value.address for value in resource.values.values() if isinstance(value, Ref)]
        # Objects of a server are ready before the row that sends the application to them.
        return [by_address[a] for a in wanted if a in by_address] + [
            other for other in held.get(operation.address, []) if other.action != "delete"
        ]
    if isinstance(resource, Database):
        names = {resource.owner, *(resource.connect or ())} - {None}
        if isinstance(operation.before, Database):  # a renamed role keeps its grants, so it may be named either way
            names |= {operation.before.owner, *(operation.before.connect or ())} - {None}
        wanted += [addresses.role(resource.server, str(name)) for name in names]
    elif isinstance(resource, Role):
        wanted += [addresses.role(resource.server, name) for name in resource.member_of]
    elif isinstance(resource, Schema):
        wanted.append(_clone_of(resource))
    return [by_address[a] for a in wanted if a in by_address]


def _needs_before_delete(
    operation: Operation, by_address: Mapping[str, Operation], held: Mapping[str, list[Operation]]
) -> list[Operation]:
    """Retiring begins with the row, so that the application stops first; a purge ends with it."""
    resource = operation.before
    objects = held.get(operation.address, [])
    others = [other for other in by_address.values() if other.action == "delete"]
    if isinstance(resource, Row):
        children = [other for other in others if _refers(other.before, operation.address)]
        return children + ([] if operation.retire else [other for other in objects if other.action == "delete"])
    row = by_address.get(addresses.owner(operation.address, resource))
    first = [row] if row is not None and operation.retire else []
    if isinstance(resource, Role):  # a role that still owns a database, or may connect to it, cannot be dropped
        server = [o for o in others if isinstance(o.before, Database) and o.before.server == resource.server]
        first += [o for o in server if isinstance(o.before, Database) and o.before.holder == resource.holder]
    return first


def _refers(resource: Resource | None, address: str) -> bool:
    return isinstance(resource, Row) and any(
        isinstance(value, Ref) and value.address == address for value in resource.values.values()
    )
