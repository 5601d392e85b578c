"""Retries transactions that fail because other sessions hold locks or change the same catalogs."""

from __future__ import annotations

import random
from collections.abc import Callable

import psycopg

from tenantplan.apply import groups
from tenantplan.postgres.retry import Failure, retry

ATTEMPTS = 3
CONFLICTS = 8  # attempts where other fleets change the same catalogs at the same time
_IN_THE_WAY = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)


def retrying(act: Callable[[], None], clear_way: Callable[[], None] = lambda: None) -> None:
    """Runs a transaction, and again where others stood in its way; what does not pass is raised. `clear_way` is called after a lock
    was waited for in vain."""

    def pause(attempt: int, error: Failure) -> float | None:
        if isinstance(error, _IN_THE_WAY):
            if attempt >= ATTEMPTS:
                return None
            if isinstance(error, psycopg.errors.LockNotAvailable):
                clear_way()
            return 0.0
        if isinstance(error, psycopg.Error) and groups.is_conflict(error) and attempt < CONFLICTS:
            return random.uniform(0.01, 0.05) * attempt  # apart from the others, who wait as well
        return None

    retry(act, pause)
