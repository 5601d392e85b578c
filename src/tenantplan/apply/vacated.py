"""Checks that a place is empty when data moves away from it, with writers locked out until the move is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from psycopg.errors import DeadlockDetected, LockNotAvailable

from tenantplan.apply.blame import blame
from tenantplan.errors import Stale
from tenantplan.live.brought import left_server
from tenantplan.live.occupancy import locked_database_rows, locked_shared_rows
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.resource import State
from tenantplan.planning.diff import under_new_names
from tenantplan.planning.former_place import FormerPlace, former_place
from tenantplan.planning.guard import relocations
from tenantplan.postgres.connect import Connection, Connector
from tenantplan.postgres.retry import retry, when
from tenantplan.settings.settings import Settings

ATTEMPTS = 8


def places_left(plan: Plan, live: State) -> dict[str, FormerPlace]:
    """The places that data leaves, by the id of the operation."""
    state, _ = under_new_names(live, plan.renames)
    return {o.id: former_place(o, state) for o in relocations(plan.operations, state)}


@dataclass(frozen=True)
class Vacated:
    """The checks of one run."""

    settings: Settings
    connector: Connector
    places: Mapping[str, FormerPlace]

    def check_shared(self, main: Connection, segment: Sequence[Operation]) -> None:
        """Locks the shared tables for the current transaction, where an operation leaves them. Stale when it would leave rows."""
        leaving = {o.id: p.organization for o in segment if (p := self.places.get(o.id)) and p.organization}
        if leaving:
            rows = locked_shared_rows(main, sorted(set(leaving.values())))
            for operation in segment:
                _refuse(operation, rows.get(leaving.get(operation.id, ""), {}))

    @contextmanager
    def holding(self, segment: Sequence[Operation]) -> Iterator[None]:
        """Locks the tables of databases that operations leave, until the end of the block. Stale when one has rows."""
        with ExitStack() as stack:
            for operation in segment:
                place = self.places.get(operation.id)
                if place is not None and place.organization is None:
                    _refuse(operation, self._locked(stack, place))
            yield

    def _locked(self, stack: ExitStack, place: FormerPlace) -> Mapping[str, int]:
        alias = place.server or left_server(self.settings, self.connector, str(place.url))
        connection = stack.enter_context(self.connector.connect(alias, place.database))
        in_the_way = when(LockNotAvailable, DeadlockDetected, attempts=ATTEMPTS)
        return retry(partial(_held, stack, connection, place), in_the_way)


def _held(stack: ExitStack, connection: Connection, place: FormerPlace) -> Mapping[str, int]:
    """How many rows each table holds; the tables are locked until `stack` ends."""
    with ExitStack() as trying:
        trying.enter_context(connection.transaction(force_rollback=True))
        rows = locked_database_rows(connection, trusting=place.server is None)
        stack.push(trying.pop_all())
        return rows


def _refuse(operation: Operation, rows: Mapping[str, int]) -> None:
    if rows:
        tables = ", ".join(sorted(rows))
        error = Stale(f"has rows in {tables} that were written after the plan was made: it stays where it is")
        blame(error, operation)
        raise error
