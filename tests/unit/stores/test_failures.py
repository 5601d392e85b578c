"""What a person is told when a store fails."""

from __future__ import annotations

import errno

import pytest

from tenantplan.errors import TenantplanError
from tenantplan.stores.failures import translated

URL = "mongodb://anna:p%40ss@host/d"


class EndpointConnectionError(ConnectionError):
    """Named as a driver's."""


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device", "space left there"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system", "read-only"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied", "credentials"),
        (FileNotFoundError("The bucket is not there"), "The bucket is not there", "bucket or folder exists"),
        (EndpointConnectionError(), "EndpointConnectionError", "server runs"),
        (ValueError("a\n  b"), "a b", "storage's URL"),
        (ValueError("x" * 1000), "x" * 300, "storage's URL"),
    ],
)
def test_what_failed_where_and_what_to_check(error: Exception, said: str, hint: str) -> None:
    with pytest.raises(TenantplanError) as caught, translated("it cannot be stored", URL):
        raise error
    assert caught.value.message == f"it cannot be stored: {said}"
    assert caught.value.where == "mongodb://anna:***@host/d"
    assert hint in caught.value.hint
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_the_cause_decides_the_hint() -> None:
    error = RuntimeError("wrapped")
    error.__cause__ = TimeoutError()
    with pytest.raises(TenantplanError) as caught, translated("it failed", URL):
        raise error
    assert "server runs" in caught.value.hint


def test_a_driver_that_quotes_the_url_gives_no_password_away() -> None:
    with pytest.raises(TenantplanError) as caught, translated("it failed", URL):
        raise ValueError(f"cannot parse {URL}: p@ss")
    assert caught.value.message == "it failed: cannot parse mongodb://anna:***@host/d: ***"


def test_what_is_told_already_and_what_is_no_failure_pass() -> None:
    original = TenantplanError("the package cannot be read")
    with pytest.raises(TenantplanError) as caught, translated("it failed", URL):
        raise original
    assert caught.value is original
    with pytest.raises(KeyboardInterrupt), translated("it failed", URL):
        raise KeyboardInterrupt
