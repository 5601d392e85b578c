"""What a change of where data lives would leave behind: the databases are asked whether there is any."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from tenantplan.errors import HostNotAllowed, TenantplanError
from tenantplan.fleet.brought import left_server
from tenantplan.fleet.survey import Survey
from tenantplan.live import occupancy
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database
from tenantplan.planning import guard
from tenantplan.planning.leaving import left
from tenantplan.postgres.connect import Connector, describe
from tenantplan.settings import Settings


def losses(settings: Settings, connector: Connector, moving: Sequence[Operation], live: Survey) -> list[Finding]:
    """A blocker for each organization whose data would be left behind by a change of where it lives."""
    found = []
    for operation in moving:
        try:
            rows = _occupancy(settings, connector, operation, live)
        except HostNotAllowed as error:
            found.append(Finding(operation.address, "host", f"{error.message}: {error.hint}"))
            continue
        except TenantplanError as error:
            message = f"cannot tell whether it has rows: {error.message} {error.hint}".strip()
            found.append(Finding(operation.address, guard.OCCUPIED, message))
            continue
        except psycopg.Error as error:
            found.append(Finding(operation.address, guard.OCCUPIED, f"cannot tell whether it has rows: {_why(error)}"))
            continue
        blocker = guard.occupied(operation, rows)
        if blocker:
            found.append(blocker)
    return found


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{describe(error)}; as its owner: GRANT SELECT on it to the role that connects there, or give it another owner"
    return f"{describe(error)}; see the server's log"


def _occupancy(settings: Settings, connector: Connector, operation: Operation, live: Survey) -> dict[str, int]:
    place = left(operation, live.state)
    if place.organization is not None:
        with connector.connect(MAIN, str(_main(live)), read_only=True) as connection:
            return occupancy.shared_rows(connection, place.organization)
    alias = place.server or left_server(settings, connector, str(place.url))
    with connector.connect(alias, place.database, read_only=True) as connection:
        return occupancy.database_rows(connection, trusting=place.server is None)


def _main(live: Survey) -> str:
    """The name of the main database that was read."""
    return next(r.name for r in live.state.values() if isinstance(r, Database) and r.holder is None)
