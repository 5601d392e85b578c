"""Transactions that are tried again: other sessions hold locks, or change the same catalogs at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import psycopg

from tenantplan.apply import groups

ATTEMPTS = 3
CONFLICTS = 8  # attempts where other fleets change the same catalogs at the same time


def retrying(act: Callable[[], None], clear_way: Callable[[], None] = lambda: None) -> None:
    """Runs a transaction, and again where others stood in its way; what does not pass is raised. `clear_way` is called after a lock
    was waited for in vain."""
    for attempt in range(1, CONFLICTS + 1):
        try:
            return act()
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            if attempt >= ATTEMPTS:
                raise
        except psycopg.errors.LockNotAvailable:
            if attempt >= ATTEMPTS:
                raise
            clear_way()
        except psycopg.Error as error:
            if not groups.is_conflict(error) or attempt == CONFLICTS:
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # apart from the others, who wait as well
