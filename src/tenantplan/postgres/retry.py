"""The one loop that does something again after a failure that passes: how often, and after how long, its callers say."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from tenantplan.errors import ConnectError

T = TypeVar("T")
Failure = psycopg.Error | ConnectError
# The number of the attempt that failed, from 1, and how -> seconds to wait before the next; None: there is none.
Pause = Callable[[int, Failure], float | None]


def retry(act: Callable[[], T], pause: Pause) -> T:
    """What `act` returns, attempted until it passes or `pause` gives up; then the last failure is raised."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return act()
        except (psycopg.Error, ConnectError) as error:
            seconds = pause(attempt, error)
            if seconds is None:
                raise
        time.sleep(seconds)


def when(*errors: type[psycopg.Error], attempts: int) -> Pause:
    """So many attempts where these stand in the way, with pauses that grow and differ from those of others who wait as well."""

    def pause(attempt: int, error: Failure) -> float | None:
        return random.uniform(0.2, 0.6) * attempt if isinstance(error, errors) and attempt < attempts else None

    return pause
