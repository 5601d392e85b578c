"""The test servers are what the other tests take them for."""

from __future__ import annotations

import psycopg
import pytest
from conftest import FreshServer
from psycopg.conninfo import make_conninfo
from servers import TestServer


def test_server_has_the_version_of_the_run_and_scram(server: TestServer, pg_version: int) -> None:
    with server.connect() as admin, server.superuser_connect() as superuser:
        assert admin.info.server_version // 10000 == pg_version
        query = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert admin.execute(query).fetchone() == (False, True, True)
        assert superuser.execute(query).fetchone() == (True, True, True)
        stored = superuser.execute("SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin").fetchall()
        assert stored == [("SCRAM-SHA-256$",)]


def test_url_carries_a_password_of_special_characters(server: TestServer) -> None:
    with psycopg.connect(server.url(dbname="template1")) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("tp_admin", "template1")


def test_wrong_password_is_refused(server: TestServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(password="wrong")


def test_settings_log_and_restart(fresh_server: FreshServer) -> None:
    own = fresh_server({"log_statement": "all", "max_connections": "7"})
    with own.connect() as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("7",)
        connection.execute("SELECT 'seen in the log'")
    assert "seen in the log" in own.log_text()
    port = own.port
    own.restart("immediate")
    assert own.port == port
    with own.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    own.stop()
    with pytest.raises(psycopg.OperationalError):
        own.connect()


def test_two_servers_are_two_clusters(server: TestServer, fresh_server: FreshServer) -> None:
    query = "SELECT system_identifier FROM pg_control_system()"
    with server.superuser_connect() as one, fresh_server().superuser_connect() as other:
        assert one.execute(query).fetchone() != other.execute(query).fetchone()


def test_tls_server_takes_tls_only_and_is_verified(fresh_server: FreshServer) -> None:
    own = fresh_server(version=15, tls=True)
    with psycopg.connect(own.url()) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
        psycopg.connect(make_conninfo(**own.params() | {"sslmode": "disable"}))
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(make_conninfo(**own.params() | {"sslrootcert": "system"}))
