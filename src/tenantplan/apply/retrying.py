"""Retries transactions that fail because other sessions hold locks or change the same catalogs."""

from __future__ import annotations

import random
from collections.abc import Callable

import psycopg

from tenantplan.apply import groups
from tenantplan.postgres.retry import Failure, retry

WAITS = 3  # attempts at a lock that somebody holds: each has waited for it already
CONFLICTS = 8  # attempts where others change the same rows or catalogs at the same time
_CONFLICTS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


def retrying(act: Callable[[], None], clear_way: Callable[[], None] = lambda: None) -> None:
    """Runs a transaction, and again where others stood in its way; what does not pass is raised. `clear_way` is called after a lock
    was waited for in vain."""

    def pause(attempt: int, error: Failure) -> float | None:
        if isinstance(error, psycopg.errors.LockNotAvailable) and attempt < WAITS:
            clear_way()
            return 0.0
        conflict = isinstance(error, _CONFLICTS) or (isinstance(error, psycopg.Error) and groups.is_conflict(error))
        if conflict and attempt < CONFLICTS:
            return random.uniform(0.01, 0.05) * attempt  # apart from the others, who wait as well
        return None

    retry(act, pause)
