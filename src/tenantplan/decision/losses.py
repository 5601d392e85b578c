"""What a change of where data lives would leave behind: the databases are asked whether there is any."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from tenantplan.errors import HostNotAllowed, TenantplanError
from tenantplan.fleet.servers import brought_server
from tenantplan.fleet.survey import Survey
from tenantplan.live import occupancy
from tenantplan.model.address import MAIN
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Ref, Row
from tenantplan.planning import guard
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
            found.append(Finding(operation.address, "occupied", message))
            continue
        except psycopg.Error as error:
            found.append(Finding(operation.address, "occupied", f"cannot tell whether it has rows: {_why(error)}"))
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
    before = operation.before
    assert isinstance(before, Row)
    owner = before.values.get("organization_id")
    home = live.state.get(owner.address) if isinstance(owner, Ref) else None
    place = before.values if before.values["database_mode"] != "inherit" or not isinstance(home, Row) else home.values
    if place["database_mode"] != "dedicated":
        organization = home if isinstance(home, Row) else before
        with connector.connect(MAIN, str(_main(live)), read_only=True) as connection:
            return occupancy.shared_rows(connection, str(organization.id))
    alias = place.get("database_server") or _left(settings, connector, str(place["database_url"]))
    with connector.connect(alias, place.get("database_name"), read_only=True) as connection:
        return occupancy.database_rows(connection, trusting=not place.get("database_server"))


def _left(settings: Settings, connector: Connector, reference: str) -> str:
    """The alias of a database that an organization brought and is to leave; the one it goes to may have another URL."""
    alias = f"left:{reference}"
    if alias not in connector.servers:
        connector.add(brought_server(alias, reference, settings, connector.servers))
    return alias


def _main(live: Survey) -> str:
    """The name of the main database that was read."""
    return next(r.name for r in live.state.values() if isinstance(r, Database) and r.holder is None)
