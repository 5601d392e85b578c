"""Changes to Operations: what each step is called, and how dangerous it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.change import Change
from tenantplan.model.encode import digest, fingerprint, to_json
from tenantplan.model.login import MAIN_TARGET
from tenantplan.model.operation import Operation
from tenantplan.model.resource import (
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    State,
    afters,
    one,
    tree_of,
)
from tenantplan.model.rowtype import Tables
from tenantplan.model.step import Migration, all_origins, one_transaction
from tenantplan.planning.access import raised_columns
from tenantplan.planning.dependencies import MAIN_SCOPE, clone_of, with_dependencies
from tenantplan.planning.summary import summary

_PLACEMENT = ("database_mode", "database_server", "database_name", "database_url")


@dataclass(frozen=True)
class Context:
    """What the changes are part of: the Migration of each schema by address, both states, tables, the main database."""

    migrations: Mapping[str, Migration]
    desired: State
    live: State
    tables: Tables
    main_database: str

    @property
    def main(self) -> str:
        """The address of the main database."""
        return addresses.database(MAIN, self.main_database)


def lower(changes: Sequence[Change], context: Context) -> list[Operation]:
    """Operations for the changes, each with the ids of those it depends on.

    A new database is at the newest revision from the start, so its Schema is part of its creation. A row that refers to one
    which needs it first is made without that reference, and gets it afterwards.
    """
    main = context.main
    creating = {c.address for c, _ in afters(changes, Database) if c.before is None and c.address != main}
    cloned = {c.address for c, schema in afters(changes, Schema) if clone_of(schema) in creating}
    rows = {c.address for c, _ in afters(changes, Row) if c.before is None}
    kept = (change for change in changes if change.address not in cloned)
    steps = [step for change in kept for step in _steps(change, rows, context.tables)]
    return with_dependencies([_operation(step, context) for step in steps], context.tables)


def _steps(change: Change, creating: Set[str], tables: Tables) -> list[Change]:
    """The change, or two: a new row without its late references to other new rows, and then those; a new role, and, once its
    database is there, the password that its application gets."""
    first = _first_step(change.after, creating, tables) if change.before is None else change.after
    if first is change.after:
        return [change]
    return [replace(change, after=first), Change(change.address, first, change.after)]


def _first_step(made: Resource | None, creating: Set[str], tables: Tables) -> Resource | None:
    """What is made at first of something new: the very same, but for what has to wait."""
    match made:
        case Row():
            referred = made.references
            late = [column for column in tables[made.table].late if referred.get(column) in creating]
            return replace(made, values={**made.values, **dict.fromkeys(late)}) if late else made
        case Role():
            return replace(made, password=None) if _handed_out(made) else made
        case Database() | Schema() | Package() | None:
            return made
        case _:
            assert_never(made)


def _handed_out(resource: Resource | None) -> bool:
    """Whether a role's password is generated, and not within one transaction of the main database."""
    role = one(resource, Role)
    if role is None or role.password is None or role.password.keyed is not None:
        return False
    target = role.password.target
    return target is not None and (target != MAIN_TARGET or role.server != MAIN)


def _operation(change: Change, context: Context) -> Operation:
    action = _action(change)
    resource = change.after or change.before
    assert resource is not None
    migration = _migration(change, context.migrations)
    ran = migration if isinstance(resource, Schema) else Migration()
    before_print = fingerprint(change.before)
    identity = [change.address, action, to_json(change.before), to_json(change.after), before_print, change.adopt]
    return Operation(
        id=digest([*identity, change.retire, list(migration.statements)])[:16],
        address=change.address,
        action=action,
        risk="destructive" if ran.destructive else _risk(change, action, context.tables),
        scope=_scope(change.address, resource, context),
        transactional=_transactional(change, resource),
        summary=summary(change, action, migration),
        before=change.before,
        after=change.after,
        fingerprint=before_print,
        statements=ran.statements,
        renamed_from=change.renamed_from,
        retire=change.retire,
        revisions=migration.revisions,
        adopt=change.adopt,
        restore=change.restore,
        steps=() if one_transaction(ran.steps) else ran.steps,
        checks=ran.checks,
        hazards=ran.hazards,
        locks=ran.locks,
        undo=ran.undo,
        start=ran.steps[0].start if ran.steps else None,
        losing=ran.losing if ran.destructive else None,
        origins=all_origins(ran.steps) if one_transaction(ran.steps) else (),
        clone=isinstance(resource, Schema) or migration.clones,
    )


def _migration(change: Change, migrations: Mapping[str, Migration]) -> Migration:
    resource = change.after
    match resource:
        case Schema():
            return migrations[change.address]
        case Database() if change.before is None:
            return migrations.get(change.address, Migration())
        case Row() | Role() | Database() | Package() | None:
            return Migration()
        case _:
            assert_never(resource)


def _transactional(change: Change, resource: Resource) -> bool:
    """Whether it takes effect in one transaction of the main database."""
    match resource:
        case Row():
            return True
        case Role():
            return not _handed_out(change.after)
        case Database():  # PostgreSQL refuses CREATE and DROP DATABASE in one
            return change.retire or (change.before is not None and change.after is not None)
        case Schema() | Package():
            return False
        case _:
            assert_never(resource)


def _scope(address: str, resource: Resource, context: Context) -> str:
    if address == context.main or tree_of(resource) in ("main", "shared"):
        return MAIN_SCOPE
    return addresses.scope(address, resource, context.desired, context.live)


def _action(change: Change) -> str:
    before, after = change.before, change.after
    match before, after:
        case _, None:
            return "delete"
        case _, Schema():
            return "migrate"
        case None, _:
            return "create"
        case Row(), Row() if moves(before, after):
            return "move"
        case Database(), Database() if before == replace(after, connect=before.connect):
            return "grant"
        case _, Row() | Role() | Database() | Package():
            return "update"
        case _:
            assert_never(after)


def moves(before: Row, after: Row) -> bool:
    """Whether the data of an organization or tenant changes its place or whose it is: mode, server, the database it brought
    itself, a tenant's organization.

    A dedicated database that only gets another name stays where it is.
    """
    if _PLACEMENT[0] not in after.values:
        return False
    if before.values.get("organization_id") != after.values.get("organization_id"):
        return True
    fixed = [column for column in _PLACEMENT if column in after.values and column != "database_name"]
    return any(before.values.get(column) != after.values[column] for column in fixed)


def _risk(change: Change, action: str, tables: Tables) -> str:
    if action == "delete":
        return "destructive"
    if action == "migrate" and change.before is None:  # tables in a database that has none yet
        return "safe"
    if action in ("migrate", "move") or change.renamed_from or change.adopt:
        return "risky"
    return "risky" if _lets_in_or_shuts_out(change, tables) else "safe"


def _lets_in_or_shuts_out(change: Change, tables: Tables) -> bool:
    """Whether a change of what is there decides who gets in: a login or password, a restored or suspended row, raised access."""
    before, after = change.before, change.after
    match before, after:
        case Role(), Role():
            return (before.login, before.password) != (after.login, after.password)
        case Row(), Row():
            suspends = before.values.get("state") != after.values.get("state")
            return change.restore or suspends or bool(raised_columns(before, after, tables[after.table]))
        case _, Row() | Role() | Database() | Schema() | Package() | None:
            return False
        case _:
            assert_never(after)
