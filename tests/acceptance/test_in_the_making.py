"""Databases in the making are nobody's but tenantplan's: a login of the server gets into none, and holds none up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from acceptance.harness import Fleet
from psycopg import sql
from servers import TestServer

PASSWORD = "a login of some tenant"
DEDICATED = "database: { mode: dedicated }"
MADE = ("tp_new_%", "tp_template_%")


@pytest.fixture
def stranger(server: TestServer) -> Iterator[str]:
    """A login that may do what PUBLIC may."""
    with server.superuser_connect() as admin:
        name = sql.Identifier("stranger")
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(PASSWORD)))
        yield "stranger"
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'stranger'")
        time.sleep(0.1)
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


class Poller(threading.Thread):
    """Connects to whatever is in the making, as soon as it is seen, and stays there."""

    def __init__(self, server: TestServer) -> None:
        super().__init__()
        self.server, self.done = server, threading.Event()
        self.seen: set[str] = set()
        self.inside: dict[str, psycopg.Connection[object]] = {}

    def run(self) -> None:
        with self.server.connect("stranger", password=PASSWORD) as eye:
            statement = "SELECT datname::text FROM pg_database WHERE datname LIKE ANY(%s)"
            while not self.done.wait(0.002):
                for (name,) in eye.execute(statement, [list(MADE)]).fetchall():
                    self.seen.add(name)
                    if name not in self.inside:
                        with suppress(psycopg.OperationalError):
                            self.inside[name] = self.server.connect("stranger", name, PASSWORD)

    def end(self) -> None:
        self.done.set()
        self.join()
        for connection in self.inside.values():
            connection.close()


@contextmanager
def polled(server: TestServer) -> Iterator[Poller]:
    poller = Poller(server)
    poller.start()
    try:
        yield poller
    finally:
        poller.end()


def test_who_polls_gets_into_nothing_and_holds_nothing_up(fleet: Fleet, stranger: str) -> None:
    with polled(fleet.server) as poller:
        for name in ("acme", "beta", "care"):
            fleet.organization(name, DEDICATED)
        fleet.apply()
        fleet.run("doctor", code=None)
        fleet.organization("dora", DEDICATED)
        fleet.apply()
    assert any(name.startswith("tp_template_") for name in poller.seen)
    assert any(name.startswith("tp_new_") for name in poller.seen)
    assert poller.inside == {}
    fleet.converged()


@pytest.mark.parametrize(
    "point", ["bootstrap-created", "bootstrap-migrated", "template-created", "template-ready", "database-created"]
)
def test_at_each_point_of_the_making(fleet: Fleet, stranger: str, point: str) -> None:
    fleet.organization("acme", DEDICATED)
    process = fleet.start("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": f"{point}:1:stop"})
    try:
        _stopped(process.pid)
        names = [
            row[0]
            for row in fleet.rows(
                "SELECT datname FROM pg_database WHERE datname LIKE ANY(%s)", list(MADE), database="postgres"
            )
        ]
        assert names
        for name in names:
            with pytest.raises(
                psycopg.OperationalError, match=r"not currently accepting|permission denied for database"
            ):
                fleet.server.connect(stranger, name, PASSWORD)
    finally:
        os.kill(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    fleet.converged()


def _stopped(pid: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with open(f"/proc/{pid}/stat") as status:
            if status.read().rpartition(")")[2].split()[0] == "T":
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _template(fleet: Fleet) -> str:
    like = f'%"{fleet.name}"%'
    found = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE 'tp_template_%%' AND datname NOT LIKE '%%aside%%'"
        " AND shobj_description(oid, 'pg_database') LIKE %s",
        like,
        database="postgres",
    )
    return str(found[0][0])


def _inside_template(fleet: Fleet, statement: str) -> None:
    name = _template(fleet)
    fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", database="postgres")
    fleet.execute(statement, database=name)
    fleet.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "INSERT INTO donors (id, email) VALUES (gen_random_uuid(), 'planted@example.org')",
            "table public.donors holds 1 rows",
        ),
        ("SELECT lo_create(0)", "large objects holds 1"),
        ("CREATE TABLE public.planted (a int)", "table public.planted"),
        ("GRANT DELETE ON alembic_version TO tenantplan_ro", "alembic_version"),
    ],
)
def test_a_template_that_somebody_changed_is_set_aside(fleet: Fleet, statement: str, said: str) -> None:
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    tampered = _template(fleet)
    _inside_template(fleet, statement)
    fleet.organization("beta", DEDICATED)
    result = fleet.apply()
    assert said in result.out
    assert f"{tampered}_aside_" in result.out
    assert fleet.rows("SELECT count(*) FROM donors", database=fleet.database("beta")) == [(0,)]
    assert fleet.rows("SELECT count(*) FROM pg_largeobject_metadata", database=fleet.database("beta")) == [(0,)]
    [entry] = fleet.run("audit", "list", "--action", "set-aside", "--json").json
    assert said in entry["detail"]
    aside = fleet.rows(
        "SELECT datname FROM pg_database WHERE datname LIKE %s", f"{tampered}_aside_%", database="postgres"
    )
    assert len(aside) == 1
    assert aside[0][0] in fleet.run("doctor", code=None).out
    fleet.organization("care", DEDICATED)
    assert "aside" not in fleet.apply().out
    fleet.converged()


def test_a_template_that_says_less_is_built_anew(fleet: Fleet) -> None:
    """As that of a version before: it cannot be compared."""
    fleet.organization("acme", DEDICATED)
    fleet.apply()
    name = _template(fleet)
    _inside_template(fleet, "INSERT INTO donors (id, email) VALUES (gen_random_uuid(), 'planted@example.org')")
    fleet.execute(
        f"DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {name} IS %L', 'tenantplan ' ||"
        f" (substr(shobj_description((SELECT oid FROM pg_database WHERE datname = '{name}'), 'pg_database'), 12)::jsonb"
        " - 'contents' - 'server')::text); END $$",
        database="postgres",
    )
    fleet.organization("beta", DEDICATED)
    assert "aside" not in fleet.apply().out
    assert fleet.rows("SELECT count(*) FROM donors", database=fleet.database("beta")) == [(0,)]
    fleet.converged()


def test_what_an_apply_of_before_left_open_is_cleared_though_somebody_is_inside(fleet: Fleet, stranger: str) -> None:
    """A version before left databases in the making open: their sessions are ended, though they are other roles'."""
    fleet.organization("zero")
    fleet.apply()
    fleet.organization("acme", DEDICATED)
    killed = fleet.process("apply", "--auto-approve", env={"TENANTPLAN_FAILPOINT": "database-created"})
    assert killed.code == -signal.SIGKILL
    names = [
        row[0]
        for row in fleet.rows("SELECT datname FROM pg_database WHERE datname LIKE 'tp_new_%%'", database="postgres")
    ]
    assert len(names) == 1
    fleet.execute(f"ALTER DATABASE {names[0]} ALLOW_CONNECTIONS true", database="postgres")
    app = fleet.database("other") + "_app"
    with fleet.server.connect() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(app), sql.Literal(PASSWORD)))
    with fleet.server.connect(app, names[0], PASSWORD):
        fleet.apply()
    assert fleet.rows("SELECT datname FROM pg_database WHERE datname LIKE 'tp_new_%%'", database="postgres") == []
    fleet.converged()
