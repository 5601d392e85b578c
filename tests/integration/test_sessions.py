"""Sessions end when the server does not answer: at the deadline of a question, or when it gives no sign of life."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from conftest import FreshServer
from servers import TestServer

from tenantplan.errors import ConnectError
from tenantplan.postgres import session
from tenantplan.postgres.connect import Connector
from tenantplan.postgres.session import Unanswered
from tenantplan.postgres.url import Server, Timeouts


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def connector(server: TestServer) -> Connector:
    return Connector({"a": Server("a", server.params(), 4, timeouts=Timeouts(2, 1, 0.5))}, 4)


def postmaster(server: TestServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


@pytest.fixture
def own(fresh_server: FreshServer) -> TestServer:
    return fresh_server()


def test_a_question_that_takes_too_long_is_ended_by_the_server(server: TestServer) -> None:
    with (
        pytest.raises(ConnectError, match="statement timeout") as told,
        connector(server).connect("a", read_only=True) as connection,
    ):
        connection.execute("SELECT pg_sleep(20)")
    assert told.value.silent and "timeouts.statement" in told.value.hint


def test_a_lock_is_waited_for_that_long(server: TestServer) -> None:
    with server.superuser_connect() as holder:
        holder.execute("CREATE TABLE public.held ()")
        holder.execute("GRANT ALL ON held TO tp_admin")
        with holder.transaction():
            holder.execute("LOCK TABLE held")
            with (
                pytest.raises(ConnectError, match="lock timeout") as told,
                connector(server).connect("a", read_only=True) as connection,
            ):
                connection.execute("SELECT FROM public.held")
        holder.execute("DROP TABLE held")
    assert "timeouts.lock" in told.value.hint


def test_a_stopped_backend_is_left(server: TestServer) -> None:
    started = time.monotonic()
    with (
        pytest.raises(ConnectError, match="no answer within 4 s") as told,
        connector(server).connect("a", read_only=True) as connection,
        stopped(connection.info.backend_pid),
    ):
        connection.execute("SELECT 1")
    assert time.monotonic() - started < 15
    assert f"127.0.0.1:{server.port}" in told.value.where and told.value.silent


def test_a_session_that_was_left_cannot_be_asked_again(server: TestServer) -> None:
    with (
        pytest.raises(ConnectError, match="no answer"),
        connector(server).connect("a", read_only=True) as connection,
        connection.transaction(),
        stopped(connection.info.backend_pid),
    ):
        connection.execute("SELECT 1")
    assert connection.closed


def test_what_may_take_long_goes_on_while_the_server_is_alive(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SILENCE", 0.3)
    with connector(server).connect("a") as connection:
        assert connection.execute("SELECT pg_sleep(2), 7").fetchone() == ("", 7)


def test_a_session_that_writes_ends_when_the_server_is_stopped(
    own: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SILENCE", 0.5)
    started = time.monotonic()
    with (
        pytest.raises(Unanswered, match="no sign of life"),
        connector(own).connect("a") as connection,
        stopped(connection.info.backend_pid, postmaster(own)),
    ):
        connection.execute("SELECT 1")
    assert time.monotonic() - started < 30


def test_a_session_that_writes_waits_a_while_for_a_lock(server: TestServer) -> None:
    with connector(server).connect("a") as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("1min",)


def test_signs_of_life_are_not_asked_of_who_answers(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg, "connect", lambda *given, **more: pytest.fail("asked"))
    with connector(server).connect("a") as connection:
        connection.execute("SELECT pg_sleep(0.5)")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("53100", "disk"),
        ("57P01", "the session was terminated"),
        ("53200", "memory"),
        ("53400", "limit"),
        ("58030", "log"),
    ],
)
def test_what_breaks_off_a_read_is_said(server: TestServer, state: str, says: str) -> None:
    with (
        pytest.raises(ConnectError, match=state) as told,
        connector(server).connect("a", read_only=True) as connection,
    ):
        connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '{state}'; END $$".encode())
    assert says in told.value.hint and f"127.0.0.1:{server.port}" in told.value.where
