"""What a change of where data lives would leave behind: the databases are asked whether there is any."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from tenantplan.errors import HostNotAllowed, TenantplanError
from tenantplan.live import occupancy
from tenantplan.live.brought import left_server
from tenantplan.model.address import MAIN
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database
from tenantplan.planning import guard
from tenantplan.planning.leaving import Left, left
from tenantplan.postgres.connect import Connector, describe
from tenantplan.settings.settings import Settings


def losses(
    settings: Settings, connector: Connector, moving: Sequence[Operation], live: Survey
) -> tuple[list[Finding], list[Finding]]:
    """A blocker for each organization whose data would be left behind by a change of where it lives; and a finding for each that
    has to wait, since its place does not answer: a lock on its own tables stops nobody else."""
    found: list[Finding] = []
    lost: list[Finding] = []
    for operation in moving:
        place = left(operation, live.state)
        try:
            blocker = guard.occupied(operation, _occupancy(settings, connector, place, live))
            found += [blocker] if blocker else []
        except HostNotAllowed as error:
            found.append(Finding(operation.address, "host", f"{error.message}: {error.hint}"))
        except TenantplanError as error:
            lost.append(Finding(operation.address, "unreachable", f"{_UNKNOWN}: {error.message} {error.hint}".strip()))
        except psycopg.Error as error:
            (lost if place.url else found).append(
                Finding(operation.address, guard.OCCUPIED, f"{_UNKNOWN}: {_why(error)}")
            )
    return found, lost


_UNKNOWN = "cannot tell whether it has rows"


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{describe(error)}; as its owner: GRANT SELECT on it to the role that connects there, or give it another owner"
    return f"{describe(error)}; see the server's log"


def _occupancy(settings: Settings, connector: Connector, place: Left, live: Survey) -> dict[str, int]:
    if place.organization is not None:
        with connector.connect(MAIN, str(_main(live)), read_only=True) as connection:
            return occupancy.shared_rows(connection, place.organization)
    alias = place.server or left_server(settings, connector, str(place.url))
    with connector.connect(alias, place.database, read_only=True) as connection:
        return occupancy.database_rows(connection, trusting=place.server is None)


def _main(live: Survey) -> str:
    """The name of the main database that was read."""
    return next(r.name for r in live.state.values() if isinstance(r, Database) and r.holder is None)
