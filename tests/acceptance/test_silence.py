"""What does not answer is left out by name, within its timeouts, and everything else goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from acceptance.false_server import FalseServer
from acceptance.harness import Fleet, Result
from servers import TestServer

from tenantplan.postgres.session import MARGIN

pytestmark = pytest.mark.once

CANARY = "canary-4711-xyz"
TIMEOUTS = "timeouts: { connect: 2s, statement: 3s, lock: 1s }"
# The longest that one of them may keep a command, with room for a busy machine: two looks (apply asks before and after).
BOUND = 2 * (3 + MARGIN) + 15


def within(bound: float, command: Callable[[], Result]) -> Result:
    """What a command says, if it ends in time."""
    started = time.monotonic()
    said = command()
    assert time.monotonic() - started < bound, said.out + said.err
    return said


def commands_go_on(fleet: Fleet, named: str, *, live: bool = True) -> None:
    """plan, status, drift, doctor and the apply of others end in time and name what did not answer."""
    phone = str(time.monotonic_ns())
    fleet.organization("wwf", f"contact: {{ phone: '{phone}' }}")
    said = within(BOUND, lambda: fleet.run("plan"))
    assert named in said.out and "wwf" in said.out
    for command in (["status"], ["drift"], ["doctor", "--skip-rehearsal"]):
        said = within(BOUND, partial(fleet.run, *command, code=None))
        assert said.code in (0, 1, 2), said.err
        assert named in said.out + said.err or not (live or command[0] == "doctor"), said.out + said.err
        assert "Traceback" not in said.err and CANARY not in said.out + said.err
    within(BOUND, lambda: fleet.apply(code=None))
    assert fleet.rows("SELECT phone FROM organizations WHERE slug = 'wwf'") == [(phone,)]


@pytest.mark.parametrize("asks", ["nothing", "ready"])
def test_listeners_that_say_nothing_cost_one_timeout_together(fleet: Fleet, asks: str) -> None:
    fleet.settings(TIMEOUTS)
    fleet.organization("wwf")
    fleet.apply()
    with ExitStack() as stack:
        for number in range(6):
            false = stack.enter_context(FalseServer(asks))
            fleet.env[f"URL_{number}"] = f"postgresql://a:{CANARY}@127.0.0.1:{false.port}/x?connect_timeout=600"
            fleet.organization(f"own-{number}", f"database: {{ url: {{ env: URL_{number} }} }}")
        commands_go_on(fleet, "own-5", live=False)
        plan = fleet.plan()
        assert {f["address"] for f in plan["unreachable"]} == {f"organization/own-{n}" for n in range(6)}
        assert plan["operations"] == [] and plan["blockers"] == []


def brought(fleet: Fleet, name: str) -> str:
    """A database with an owner of its own, declared as an organization's, and in use."""
    database = f"o{fleet.id}_{name}_own"
    fleet.execute(f"CREATE ROLE {database} LOGIN PASSWORD '{CANARY}'", database="postgres")
    fleet.execute(f"CREATE DATABASE {database} OWNER {database}", database="postgres")
    fleet.env[f"{name.upper()}_URL"] = fleet.server.url(database, database, CANARY)
    fleet.organization(name, f"database: {{ url: {{ env: {name.upper()}_URL }} }}")
    return database


@pytest.fixture
def applied(fleet: Fleet) -> Iterator[Fleet]:
    """msf has a dedicated database, acme brought one, wwf is shared."""
    fleet.settings(f"{TIMEOUTS}\nguard: {{ maxChangedPercent: 100 }}")
    database = brought(fleet, "acme")
    fleet.organization("msf", "database: { mode: dedicated }")
    fleet.organization("wwf")
    fleet.apply()
    yield fleet
    fleet.execute(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")


def test_a_brought_database_that_locks_its_version_table(applied: Fleet) -> None:
    with applied.connect(f"o{applied.id}_acme_own") as tenant, tenant.transaction():
        tenant.execute("LOCK TABLE alembic_version")
        commands_go_on(applied, "acme")
        assert [f["address"] for f in applied.plan()["unreachable"]] == ["organization/acme"]


def test_a_dedicated_database_that_locks_its_tables(applied: Fleet) -> None:
    """Its owner's stamp is enough for a plan; who looks inside names it and goes on."""
    with applied.connect(applied.database("msf")) as tenant, tenant.transaction():
        tenant.execute("LOCK TABLE alembic_version, donors")
        for command in (["status"], ["drift"], ["plan", "--refresh", "deep"]):
            said = within(BOUND, partial(applied.run, *command, code=None))
            assert "msf" in said.out and "lock timeout" in said.out, said.out + said.err
        applied.organization("msf", "displayName: MSF\nmembers: []")
        within(BOUND, lambda: applied.apply(code=None))
        applied.organization("msf")  # to shared mode: whether it has rows cannot be told
        said = within(BOUND, lambda: applied.run("plan", code=None))
        assert "cannot tell whether it has rows" in said.out, said.out
    applied.organization("msf", "database: { mode: dedicated }")
    applied.apply()
    applied.converged()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def postmaster(server: TestServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


def test_a_backend_that_is_stopped_while_it_is_asked(applied: Fleet) -> None:
    """Neither its own timeouts nor a cancel request end it: the client does."""
    database = f"o{applied.id}_acme_own"
    found: list[int] = []

    def stop_it(end: float) -> None:
        with applied.connect("postgres") as watching:
            while not found and time.monotonic() < end:
                found.extend(
                    row[0]
                    for row in watching.execute(
                        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", [database]
                    )
                )
                time.sleep(0.02)
        for pid in found:
            os.kill(pid, signal.SIGSTOP)

    with applied.connect(database) as tenant, tenant.transaction():
        tenant.execute("LOCK TABLE alembic_version")
        stopper = threading.Thread(target=stop_it, args=(time.monotonic() + 30,))
        stopper.start()
        try:
            said = within(BOUND, lambda: applied.run("plan", "--format", "json"))
        finally:
            stopper.join()
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    assert found
    (finding,) = said.json["unreachable"]
    assert finding["address"] == "organization/acme" and "no answer within 6 s" in finding["message"]


def test_a_server_that_is_stopped(applied: Fleet, fresh_server: Callable[[], TestServer]) -> None:
    west = fresh_server()
    applied.env["WEST_URL"] = west.url()
    applied.settings(
        f"{TIMEOUTS}\nguard: {{ maxChangedPercent: 100 }}\nservers: {{ west: {{ url: {{ env: WEST_URL }} }} }}"
    )
    applied.organization("far", "database: { mode: dedicated, server: west }")
    applied.apply()
    with stopped(postmaster(west)):
        commands_go_on(applied, "west")
    applied.apply()
    applied.converged()


@pytest.mark.parametrize("command", ["plan", "status", "drift", "apply --auto-approve", "doctor", "audit verify"])
def test_the_main_server_is_stopped(fresh_server: Callable[[], TestServer], tmp_path: Path, command: str) -> None:
    fleet = Fleet(tmp_path / "fleet", fresh_server())
    fleet.settings(TIMEOUTS)
    fleet.organization("wwf")
    fleet.apply()
    with stopped(postmaster(fleet.server)):
        said = within(BOUND, lambda: fleet.run(*command.split(), code=1))
    assert f"127.0.0.1:{fleet.server.port}" in said.out + said.err and "timeout" in said.out + said.err


def test_a_lock_on_a_shared_table(applied: Fleet) -> None:
    """As a login that the server binds to an organization may take one: it keeps nobody else."""
    with applied.connect() as tenant, tenant.transaction():
        tenant.execute("LOCK TABLE donors IN ACCESS EXCLUSIVE MODE")
        applied.organization("wwf", "contact: { phone: '4711' }")
        for command in (["plan"], ["status"], ["drift"], ["apply", "--auto-approve"]):
            within(BOUND, partial(applied.run, *command))
    applied.converged()
