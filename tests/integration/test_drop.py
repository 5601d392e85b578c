"""DROP DATABASE as a role that is no superuser, with somebody at work in the database."""

from __future__ import annotations

import time

import psycopg
import pytest
from conftest import FreshServer
from servers import TestServer

from tenantplan.postgres.databases import drop_database

SLOW = {
    "autovacuum_naptime": "1",
    "autovacuum_vacuum_threshold": "1",
    "autovacuum_vacuum_cost_delay": "100",
    "autovacuum_vacuum_cost_limit": "1",
}
WORKER = "SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = 'busy'"


@pytest.fixture
def vacuumed(fresh_server: FreshServer) -> TestServer:
    """A server with a database, `busy`, that autovacuum is in, and stays in for long."""
    server = fresh_server(SLOW)
    with server.connect() as admin:
        admin.execute("CREATE DATABASE busy")
    with server.connect(dbname="busy") as inside:
        inside.execute("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 50000) AS g")
        inside.execute("DELETE FROM t WHERE g % 2 = 0")
    with server.superuser_connect() as watching:
        deadline = time.monotonic() + 30
        while not watching.execute(WORKER).fetchall() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert watching.execute(WORKER).fetchall()
    return server


def there(server: TestServer) -> bool:
    with server.superuser_connect() as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = 'busy'").rowcount == 1


def test_autovacuum_is_ended(vacuumed: TestServer) -> None:
    with vacuumed.connect() as admin:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # what PostgreSQL does by itself
            admin.execute("DROP DATABASE busy WITH (FORCE)")
        drop_database(admin, "busy")
        drop_database(admin, "busy")  # not there any more
    assert not there(vacuumed)


def test_sessions_beside_autovacuum_are_ended_too(vacuumed: TestServer) -> None:
    with vacuumed.connect(dbname="busy") as inside, vacuumed.connect() as admin:
        drop_database(admin, "busy")
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")
    assert not there(vacuumed)


def test_what_belongs_to_others_stays(vacuumed: TestServer) -> None:
    with vacuumed.superuser_connect() as superuser:
        superuser.execute("ALTER DATABASE busy OWNER TO postgres")
    with vacuumed.connect(dbname="busy") as inside, vacuumed.connect() as admin:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            drop_database(admin, "busy")
        inside.execute("SELECT 1")
    assert there(vacuumed)
