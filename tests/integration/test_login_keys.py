"""SCRAM keys instead of the password: the same login, also after its password was set anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo
from servers import TestServer

from tenantplan.errors import ConnectError
from tenantplan.postgres.connect import OFTEN, Connector
from tenantplan.postgres.scram_keys import TAKES_KEYS, learned_keys
from tenantplan.postgres.url import Server

PASSWORD = "first p@ss/w%rd!"
pytestmark = pytest.mark.skipif(pq.version() < TAKES_KEYS, reason="libpq takes SCRAM keys from version 18 on")


@pytest.fixture
def login(server: TestServer) -> Iterator[dict[str, str]]:
    """A role with a password."""
    with server.superuser_connect() as connection:
        connection.execute(f"CREATE ROLE often LOGIN PASSWORD '{PASSWORD}'")
        yield server.params(user="often", password=PASSWORD)
        connection.execute("DROP ROLE often")


def test_the_keys_log_in_instead_of_the_password(login: dict[str, str]) -> None:
    keys = learned_keys(login)
    assert set(keys) == {"scram_client_key", "scram_server_key"}
    with psycopg.connect(make_conninfo(**{**login, **keys, "password": "another one"})) as connection:
        assert connection.info.user == "often"


def test_where_there_are_none(login: dict[str, str], server: TestServer) -> None:
    assert learned_keys({**login, "password": "pässword"}) == {}  # SASLprep may change it
    assert learned_keys({**login, "port": "1"}) == {}  # nobody answers
    trusted = {"host": str(server.socket_dir), "port": str(server.port), "user": "postgres", "dbname": "postgres"}
    assert learned_keys({**trusted, "password": "not asked for"}) == {}


def test_a_password_that_was_set_anew_is_used_at_once(login: dict[str, str], server: TestServer) -> None:
    connector = Connector({"a": Server("a", login, 8)}, 8)

    def sessions(count: int) -> None:
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(connector.connect("a"))

    sessions(OFTEN + 2)
    with server.superuser_connect() as superuser:
        superuser.execute(f"ALTER ROLE often PASSWORD '{PASSWORD}'")  # another salt
        sessions(2)
        superuser.execute("ALTER ROLE often PASSWORD 'another one'")
        with pytest.raises(ConnectError, match="password authentication failed"):
            sessions(1)
