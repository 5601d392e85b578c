"""Taking a fleet for one run: gate, lock, lease; and settling what an interrupted run left behind."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tenantplan.errors import ConnectError, PlanRefused
from tenantplan.execution import credentials, record, recover
from tenantplan.execution.bootstrap import bootstrap
from tenantplan.execution.context import Run
from tenantplan.execution.failpoint import reach
from tenantplan.fleet.clock import check_clock
from tenantplan.fleet.survey import Survey
from tenantplan.model.address import MAIN
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Package, Row, Schema
from tenantplan.planning.comparable import comparable
from tenantplan.planning.lower import MAIN_SCOPE
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection, is_pooled
from tenantplan.run import freshness
from tenantplan.run.preflight import check_data
from tenantplan.run.result import as_planned
from tenantplan.run.work import Work

GATE_PATIENCE = 3.0  # seconds; who finds the main database gives the gate back at once


@dataclass(frozen=True)
class Taken:
    """A fleet that this run holds: the session with the lock, how many effects of interrupted runs were recorded now,
    and what whoever applies should know."""

    run: Run
    control: Connection
    recovered: int
    notes: tuple[Finding, ...] = ()


def take(work: Work, stack: ExitStack) -> Taken:
    """Takes the fleet; it is given back when `stack` closes. Everything about the plan is checked before the first write.

    Raises Locked when another run holds it, PlanRefused when the plan is not fresh.
    """
    control, live = _enter(work, stack)
    reach("locked")
    clocks = tuple(check_clock(live))
    done = freshness.check_usable(control, work.plan)
    dead = [run for run in recover.dead_runs(control) if run != work.run_id]
    if dead:
        recover.end_sessions(work.connector, work.managed_servers, dead)
        live = work.look(recover.open_operations(control, dead))
    newborn = work.run_id in recover.dead_runs(control)
    if not newborn:
        freshness.check_fresh(work.plan, done, live, freshness.begun_already(control, work.plan))
        freshness.check_secrets(work, done, live)
        freshness.check_packages(work, done)
        freshness.check_windows(work, done, live)
        if work.check is not None and not freshness.is_begun(control, work.plan):
            work.check(work)
        check_data(work, control, done, live)
    epoch = lock.take_over(control, work.run_id, work.actor.name, work.actor.host, os.getpid())
    run = replace(work.run(live, epoch), lives=record.earlier_lives(control, work.plan.operations, work.tables))
    recovered = _settle(work, run, control, live, dead) if dead else 0
    if newborn:
        control.execute("UPDATE tenantplan.runs SET epoch = %s WHERE id = %s", [epoch, run.id])
        hashed = [(o, credentials.marked(run, o)) for o in work.plan.operations]
        record.rewrite(run, control, [new for old, new in hashed if new is not old])
    else:
        record.open_run(run, control, [o for o in work.plan.operations if o.id not in done])
    reach("run-opened")
    return Taken(run, control, recovered, clocks)


def _enter(work: Work, stack: ExitStack) -> tuple[Connection, Survey]:
    """The session that holds the lock, and what is live. Makes the main database where there is none."""
    with ExitStack() as doorway:
        gate = doorway.enter_context(work.connector.connect(MAIN))
        _refuse_pooler(work, gate)
        lock.acquire(gate, lock.gate_key(work.main_database), patience=GATE_PATIENCE)
        control = None
        if gate.execute("SELECT FROM pg_database WHERE datname = %s", [work.main_database]).rowcount:
            control = _locked_main(work, stack)
            doorway.close()  # the main database's own lock is enough, and the gate is a session of the budget
        live = work.look()
        freshness.check_target(work.plan, live)
        check_clock(live)
        freshness.check_time(work.settings, work.plan, live.now)
        if "tenantplan.lease" not in live.main.columns:
            _bear(work, live, gate)
            live = work.look()
        return control or _locked_main(work, stack), live


def _refuse_pooler(work: Work, gate: Connection) -> None:
    if is_pooled(gate):
        raise ConnectError(
            "a connection pooler answers there, and hands each transaction another session",
            where=work.servers.usable[MAIN].place,
            hint="give tenantplan the address of PostgreSQL itself: locks and prepared names need a session",
        )


def _locked_main(work: Work, stack: ExitStack) -> Connection:
    control = stack.enter_context(work.connector.connect(MAIN, work.main_database))
    lock.acquire(control)
    return control


def _bear(work: Work, live: Survey, gate: Connection) -> None:
    """Makes the main database by the plan's own operations."""
    freshness.check_fresh(work.plan, set(), live)
    freshness.check_packages(work, set())
    if work.check is not None:
        work.check(work)
    first = [o for o in work.plan.operations if o.scope == MAIN_SCOPE and getattr(o.after, "tree", "main") == "main"]
    if not first:
        raise PlanRefused("the main database does not exist, and the plan does not make it", hint=freshness.STALE)
    bootstrap(work.run(live, 0), gate, first, work.plan.operations)


def _settle(work: Work, run: Run, control: Connection, live: Survey, dead: list[str]) -> int:
    opened = recover.open_operations(control, dead)
    recover.collect(work.connector, work.managed_servers, recover.unfinished_creations(control, dead))
    return recover.settle(run, control, opened, dead, lambda item: _happened(item, live))


def _happened(item: recover.Open, live: Survey) -> bool:
    """Whether the effect of an operation that an interrupted run left open is there."""
    have = live.state.get(item.address)
    if item.retire:
        return have is not None and not isinstance(have, Row) and getattr(have, "retired_at", None) is not None
    if item.action == "update" and isinstance(have, Schema):
        return have.repaired == item.op_id
    if item.after is None or have is None:
        return item.after is None and have is None
    if isinstance(have, (Row, Package)) and not (have.managed and have.retired_at is None):
        return False
    return as_planned(item.after, comparable(have, item.after))
