"""Extensions that migrations of a plan make, and that a server lacks or keeps to superusers: known before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from tenantplan.errors import TenantplanError
from tenantplan.fleet.opening import Fleet
from tenantplan.live.extensions import Supply, supplies
from tenantplan.migration.extensions import Need, needs
from tenantplan.model import address as addresses
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Schema
from tenantplan.model.step import Migration

EXTENSION = "extension"


@dataclass
class Lacking:
    """What stands in the way: of the fleet's own servers; of databases that organizations brought, which alone have to wait; and
    what a program may need."""

    blockers: list[Finding] = field(default_factory=list)
    waiting: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


def lacking(fleet: Fleet, operations: Sequence[Operation], migrations: Mapping[str, Migration]) -> Lacking:
    """What the migrations of these operations lack, once for each server. A server that does not answer says so elsewhere."""
    found, said = Lacking(), set[tuple[str, str]]()
    shelves = _Shelves(fleet)
    for operation, need in _needs(fleet, operations, migrations):
        brought = addresses.is_brought(operation.server)
        if (operation.server, need.name) in said:
            continue
        why = shelves.obstacle(operation, need)
        if not why:
            continue
        said.add((operation.server, need.name))
        verb = "makes" if need.certain else "is a program that may make"
        message = f"extension {need.name}, which revision {need.revision} {verb}: {why}"
        message += f"; {need.advice}" if need.advice else ""
        owner = operation.owner if brought else addresses.server(operation.server)
        kind = found.notes if not need.certain else found.waiting if brought else found.blockers
        kind.append(Finding(owner, UNREACHABLE if brought and need.certain else EXTENSION, message))
    return found


def _needs(
    fleet: Fleet, operations: Iterable[Operation], migrations: Mapping[str, Migration]
) -> Iterator[tuple[Operation, Need]]:
    files = {revision: path for (_, revision), path in fleet.trees.files.items()}
    known: dict[int, tuple[Need, ...]] = {}  # the databases of a wave have one migration between them
    for operation in operations:
        migration = migrations.get(operation.address)
        if migration is None or migration.back or not operation.revisions:
            continue
        if id(migration) not in known:
            known[id(migration)] = needs(migration.steps, files)
        yield from ((operation, need) for need in known[id(migration)])


class _Shelves:
    """What servers, and databases where it matters, have; each asked once."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._known: dict[tuple[str, str | None, str], Supply | None] = {}

    def obstacle(self, operation: Operation, need: Need) -> str:
        brought = addresses.is_brought(operation.server)
        existing = brought or operation.before is not None
        tree = operation.after.tree if isinstance(operation.after, Schema) else "tenant"
        as_owner = tree == "tenant" and not brought
        supply = self._supply(operation.server, None, need.name, tree)
        if supply is None:
            return ""
        why = supply.obstacle(as_owner, existing=brought)
        if not why or not existing or brought:
            return why
        supply = self._supply(operation.server, operation.found_in, need.name, tree)
        return supply.obstacle(as_owner, existing=True) if supply else ""

    def _supply(self, server: str, database: str | None, name: str, tree: str) -> Supply | None:
        key = server, database, name
        if key not in self._known:
            table = self._fleet.trees.versions.name(tree)
            embedded = self._fleet.settings.embedded and server == addresses.MAIN
            try:
                with self._fleet.connector.connect(server, database, read_only=True) as connection:
                    self._known[key] = supplies(connection, [name], table, embedded=embedded)[name]
            except (TenantplanError, psycopg.Error):
                self._known[key] = None
        return self._known[key]
