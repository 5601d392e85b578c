"""The same to many, side by side within the budget of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import psycopg

from tenantplan.errors import TenantplanError
from tenantplan.model.address import Location
from tenantplan.postgres.advice import describe
from tenantplan.postgres.connect import Connection, Connector

A = TypeVar("A")
T = TypeVar("T")
PARALLEL = 16


def side_by_side(act: Callable[[A], T], items: Iterable[A], budget: int, held: int = 1) -> Iterator[T]:
    """What `act` returns for each item, in their order and as early as it is known.

    At most PARALLEL at once, and one at least: of `budget` connections, the caller has `held` in use itself.
    """
    given = list(items)
    with ThreadPoolExecutor(max(1, min(PARALLEL, budget - held, len(given)))) as pool:
        yield from pool.map(act, given)


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
    answers = side_by_side(partial(_read_one, connector, read, patience), wanted, budget)
    return dict(zip(wanted, answers, strict=True))


def _read_one(
    connector: Connector, read: Callable[[Connection], T], patience: float | None, location: Location
) -> T | TenantplanError:
    try:
        with connector.connect(*location, read_only=True, patience=patience) as connection:
            return read(connection)
    except TenantplanError as error:
        return error
    except psycopg.Error as error:
        return TenantplanError(describe(error), where=f"{location.server}/{location.database or ''}")
