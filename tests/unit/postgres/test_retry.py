"""What is attempted again, how often, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.errors import DeadlockDetected, LockNotAvailable, UndefinedTable

from tenantplan.errors import ConnectError, TenantplanError
from tenantplan.postgres import connect
from tenantplan.postgres.retry import retry, when


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("tenantplan.postgres.retry.time", SimpleNamespace(sleep=waited.append))
    return waited


def failing(*errors: Exception) -> Callable[[], str]:
    """Raises each of these, and passes then."""
    left = list(errors)

    def act() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return act


def test_until_it_passes_with_pauses_that_grow(pauses: list[float]) -> None:
    locks = LockNotAvailable(), DeadlockDetected(), LockNotAvailable()
    assert retry(failing(*locks), when(LockNotAvailable, DeadlockDetected, attempts=4)) == "done"
    assert all(0.2 * n <= seconds <= 0.6 * n for n, seconds in enumerate(pauses, 1)) and len(pauses) == 3


def test_the_last_failure_is_raised(pauses: list[float]) -> None:
    with pytest.raises(LockNotAvailable, match="second"):
        retry(failing(LockNotAvailable("first"), LockNotAvailable("second")), when(LockNotAvailable, attempts=2))
    assert len(pauses) == 1


@pytest.mark.parametrize("error", [UndefinedTable(), ConnectError("no such host"), TenantplanError("no"), KeyError()])
def test_what_does_not_pass_is_raised_at_once(error: Exception, pauses: list[float]) -> None:
    with pytest.raises(type(error)):
        retry(failing(error), when(LockNotAvailable, attempts=5))
    assert pauses == []


def test_a_full_server_is_dialled_again_and_another_failure_is_not(pauses: list[float]) -> None:
    full = [psycopg.OperationalError("FATAL:  sorry, too many clients already"), ConnectError("is starting up")] * 5
    dialled = failing(*full, ConnectError("connection refused"))
    with pytest.raises(ConnectError, match="refused"):
        connect.patiently(dialled)
    assert all(
        0.5 * bound <= s <= 1.5 * bound for s, bound in zip(pauses[:6], (0.1, 0.2, 0.4, 0.8, 1.6, 3.0), strict=True)
    )
    assert len(pauses) == 10 and max(pauses) <= 4.5
