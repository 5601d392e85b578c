"""Taking a fleet for one run: lock and lease; and settling what an interrupted run left behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from tenantplan.apply import freshness
from tenantplan.apply.bootstrap import bootstrap
from tenantplan.apply.clearing import SessionWatch, clearing_blockers
from tenantplan.apply.context import Run
from tenantplan.apply.effects import stored_secrets
from tenantplan.apply.effects.table import effect
from tenantplan.apply.per_tenant import left_untouched
from tenantplan.apply.preflight import check_data
from tenantplan.apply.work import Work
from tenantplan.errors import ConnectError, PlanRefused
from tenantplan.failpoint import reach
from tenantplan.journal import record, recover
from tenantplan.model.address import MAIN
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Role, afters, of_type, tree_of
from tenantplan.planning.clock import check_clock
from tenantplan.planning.dependencies import MAIN_SCOPE
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.databases import has_database
from tenantplan.postgres.lock_database import ensure_lock_database
from tenantplan.postgres.pooler import is_pooled
from tenantplan.postgres.run_sessions import end_sessions, tag

BIRTH_PATIENCE = 3.0  # seconds
HELD_UP = "held-up"  # the rule of a note about a session that stands in the way


@dataclass(frozen=True)
class Acquired:
    """A fleet that this run holds: a session on its main database, how many effects of interrupted runs were recorded now,
    what whoever applies should know, and operations that must not run (id -> why): those that are `held` back since something is
    out of reach, and the `stale` of a plan made per tenant."""

    run: Run
    control: Connection
    recovered: int
    notes: tuple[Finding, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, str] = field(default_factory=dict)


def acquire(work: Work, stack: ExitStack) -> Acquired:
    """Takes the fleet; it is given back when `stack` closes. Everything about the plan is checked before the first write.

    Raises Locked when another run holds it, PlanRefused when the plan is not fresh.
    """
    holding, control, live, held = _enter(work, stack)
    reach("locked")
    watches = [_watched(work, live, server) for server in work.managed_servers]
    stack.enter_context(clearing_blockers(watches, work.connector, holding, partial(work.note, HELD_UP)))
    clocks = tuple(check_clock(live))
    done = freshness.check_usable(control, work.plan)
    dead = [run for run in recover.dead_runs(control) if run != work.run_id]
    if dead:
        end_sessions(work.connector, work.managed_servers, dead)
        opened = recover.open_operations(control, dead)
        live = work.read_live(opened)
        ours = freshness.journaled(control, work.plan)
        done |= {item.op_id for item in opened if item.op_id in ours and _happened(item, live)}
    first_run = work.run_id in recover.dead_runs(control)
    stale: Mapping[str, str] = {}
    if not first_run:
        held, stale = _checked(work, control, done, live)
    epoch = lock.take_over(control, work.run_id, work.actor.name, work.actor.host, os.getpid())
    run = replace(work.run(live, epoch), lives=record.earlier_lives(control, work.plan.operations, work.tables))
    recovered = _settle(work, run, control, live, dead) if dead else 0
    work.clear_templates(live, control)
    if first_run:
        _complete_first_run(work, run, control)
    else:
        left_out = {*done, *held, *stale}
        record.open_run(run.author, control, [o for o in work.plan.operations if o.id not in left_out])
    reach("run-opened")
    return Acquired(run, control, recovered, clocks, held, stale)


def _checked(
    work: Work, control: Connection, done: set[str], live: Survey
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Checks what can have changed since the plan was made; operations that are held back, and those that are stale, and why."""
    begun = freshness.begun_already(control, work.plan)
    stale = left_untouched(work, done, live, begun)
    settled = done | stale.keys()  # of which there is nothing to check any more
    if not work.plan.per_tenant:
        freshness.check_standing(work.plan, done, live)
    freshness.check_fresh(work.plan, settled, live, begun)
    freshness.check_secrets(work, settled, live)
    freshness.check_packages(work, settled)
    freshness.check_windows(work, settled, live)
    held: Mapping[str, str] = {}
    if work.check is not None:
        held = work.check(work, freshness.journaled(control, work.plan), stale)
    check_data(work, control, settled, live)
    return held, stale


def _complete_first_run(work: Work, run: Run, control: Connection) -> None:
    """Writes into the journal, which was opened while the main database was made, what was not known then: the lease's epoch, and
    keyed hashes, since there was no key."""
    control.execute("UPDATE tenantplan.runs SET epoch = %s WHERE id = %s", [run.author.epoch, run.author.id])
    hashed = [(o, stored_secrets.marked(run, o)) for o in work.plan.operations]
    record.rewrite(run.author, control, [new for old, new in hashed if new is not old])


def _enter(work: Work, stack: ExitStack) -> tuple[Connection, Connection, Survey, Mapping[str, str]]:
    """Takes the lock: the session that holds it, one on the main database, which is made where there is none, and what is live."""
    with work.connector.connect(MAIN) as outside:
        _refuse_pooler(work, outside)
        freshness.check_server(work.plan, outside)
        freshness.check_role(work.plan, outside)
        name = ensure_lock_database(outside, work.settings.fleet, work.main_database)
        born = has_database(outside, work.main_database)
    holding = stack.enter_context(lock.lock_session(work.connector, name))
    # A first apply that was killed holds the lock until the server has made its database.
    lock.acquire(work.connector, holding, work.main_database, patience=0.0 if born else BIRTH_PATIENCE)
    live = work.read_live()
    freshness.check_target(work.plan, live)
    freshness.check_rights(work.plan, live)
    check_clock(live)
    freshness.check_time(work.settings, work.plan, live.now)
    held: Mapping[str, str] = {}
    if "tenantplan.lease" not in live.main.columns:
        held = _create_main(work, live, holding)
        live = work.read_live()
    control = stack.enter_context(work.connector.connect(MAIN, work.main_database))
    lock.check_held(holding)
    return holding, control, live, held


def _watched(work: Work, live: Survey, server: str) -> SessionWatch:
    """Login roles of a server that must not hold up the run."""
    planned = [role for _, role in afters(work.plan.operations, Role)]
    roles = [
        role
        for role in (*of_type(live.state, Role).values(), *planned)
        if role.server == server and role.holder is not None
    ]
    bound = {*live.main.sharing.bound, *(role.name for role in planned if role.access == "bound")}
    here = bound if server == MAIN else set()
    logins = {*here, *(role.name for role in roles if role.managed)}
    patience = work.settings.spec.rollout.statement_timeout_seconds
    return SessionWatch(server, tag(work.run_id), work.main_database, logins, here, patience)


def _refuse_pooler(work: Work, session: Connection) -> None:
    if is_pooled(session):
        raise ConnectError(
            "a connection pooler answers there, and gives each transaction another session",
            where=work.servers.usable[MAIN].place,
            hint="give tenantplan the address of PostgreSQL itself: locks and prepared statements need a session",
        )


def _create_main(work: Work, live: Survey, holding: Connection) -> Mapping[str, str]:
    """Makes the main database by the plan's own operations, in the session that holds the lock: as long as the server makes it,
    nobody else does. Returns operations that must not run."""
    freshness.check_fresh(work.plan, set(), live)
    freshness.check_packages(work, set())
    held = work.check(work, (), {}) if work.check is not None else {}
    first = [o for o in work.plan.operations if o.scope == MAIN_SCOPE and tree_of(o.after) in (None, "main")]
    if not first:
        raise PlanRefused("the main database does not exist, and the plan does not make it", hint=freshness.STALE)
    bootstrap(work.run(live, 0), holding, first, [o for o in work.plan.operations if o.id not in held])
    return held


def _settle(work: Work, run: Run, control: Connection, live: Survey, dead: list[str]) -> int:
    opened = recover.open_operations(control, dead)
    recover.collect(work.connector, work.managed_servers, recover.unfinished_creations(control, dead))
    return recover.settle(run.author, control, opened, dead, lambda item: _happened(item, live))


def _happened(item: recover.Open, live: Survey) -> bool:
    return effect(item).happened(item, live.state.get(item.address))
