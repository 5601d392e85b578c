"""What a run says when its main database breaks it off."""

from __future__ import annotations

import psycopg
import pytest

from tenantplan.apply.session import main_errors
from tenantplan.errors import TenantplanError
from tenantplan.postgres.url import Server

SERVER = Server("primary", {"host": "db.example"}, 4)


@pytest.mark.parametrize(
    ("error", "what", "todo"),
    [
        (psycopg.errors.LockNotAvailable("55P03 lock timeout"), "aborted the run: 55P03", "another session holds it"),
        (psycopg.errors.DiskFull("53100 no space left"), "aborted the run: 53100", "make room there"),
        (psycopg.OperationalError("the connection is lost"), "was lost during the run", "run apply again"),
        (psycopg.errors.AdminShutdown("terminating"), "was lost during the run", "run apply again"),
    ],
)
def test_a_run_that_is_broken_off_says_why(error: psycopg.Error, what: str, todo: str) -> None:
    with pytest.raises(TenantplanError) as caught, main_errors(SERVER, "main"):
        raise error
    assert what in caught.value.message
    assert todo in str(caught.value.hint)
    assert "run apply again" in str(caught.value.hint)
    assert "db.example:5432, database main" in str(caught.value.where)
