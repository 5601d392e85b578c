"""The same question to many databases, side by side within the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from tenantplan.errors import TenantplanError
from tenantplan.model.address import Location
from tenantplan.postgres.connect import Connection, Connector, describe

T = TypeVar("T")
PARALLEL = 16


def each(
    connector: Connector,
    locations: Iterable[Location],
    read: Callable[[Connection], T],
    budget: int,
    patience: float | None = None,
) -> dict[Location, T | TenantplanError]:
    """What `read` finds in each database, or why there is no answer; at most `budget` sessions at once.

    `patience` is that of Connector.connect.
    """
    wanted = list(dict.fromkeys(locations))
    if not wanted:
        return {}
    width = max(1, min(PARALLEL, budget - 1, len(wanted)))
    with ThreadPoolExecutor(width) as pool:
        answers = pool.map(lambda location: _asked(connector, location, read, patience), wanted)
        return dict(zip(wanted, answers, strict=True))


def _asked(
    connector: Connector, location: Location, read: Callable[[Connection], T], patience: float | None
) -> T | TenantplanError:
    try:
        with connector.connect(*location, read_only=True, patience=patience) as connection:
            return read(connection)
    except TenantplanError as error:
        return error
    except psycopg.Error as error:
        return TenantplanError(describe(error), where=f"{location.server}/{location.database or ''}")
