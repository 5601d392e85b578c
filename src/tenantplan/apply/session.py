"""One apply from lock to report: lock the fleet, execute the plan, check that it converged."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import psycopg

from tenantplan.apply import closing, freshness, rollback
from tenantplan.apply.acquire import Acquired, acquire
from tenantplan.apply.context import Run
from tenantplan.apply.convergence import not_as_planned
from tenantplan.apply.failure import held_back
from tenantplan.apply.health import between_waves
from tenantplan.apply.per_tenant import stale_outcomes
from tenantplan.apply.rollout import Limits, RolloutResult, rollout
from tenantplan.apply.work import Check, Work
from tenantplan.errors import TenantplanError
from tenantplan.failpoint import reach
from tenantplan.fleet import provenance
from tenantplan.fleet.opening import open_fleet
from tenantplan.journal import record
from tenantplan.journal.facts import Fact, organization
from tenantplan.migration.running.workers import Programs
from tenantplan.model.address import MAIN
from tenantplan.model.finding_rules import STILL_OPEN
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.postgres.advice import lost
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.run_sessions import tag
from tenantplan.postgres.url import Server
from tenantplan.settings.settings import Settings

AGAIN = "run apply again: it finishes what this run began"


def session(
    settings: Settings,
    plan: Plan,
    parallelism: int | None,
    on_outcome: Callable[[Outcome], None],
    check: Check | None = None,
) -> Report:
    """Applies a plan that no guard stops; Blocked, Locked or PlanRefused before the first write, else the Report.

    `check` looks at the plan once more when the fleet is taken.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        work = replace(_work(settings, plan, stack), check=check)
        stack.enter_context(main_errors(work.servers.usable[MAIN], work.main_database))
        acquired = acquire(work, stack)
        _audit_attempts(work, acquired)
        done = freshness.already_done(acquired.control, plan)
        settled = {*done, *acquired.held, *acquired.stale}
        operations = [o for o in plan.operations if o.id not in settled]
        limits = _limits(work, acquired, parallelism)
        before = (
            *_close_again(acquired, [o for o in plan.operations if o.id in done]),
            *_held_back_outcomes(work, acquired, done),
        )
        result = _roll_out(work, acquired, operations, limits, on_outcome)
        result = replace(result, outcomes=(*before, *result.outcomes))
        taken_back = _roll_back(work, acquired, result, done, limits, on_outcome)
        remaining = _close_run(work, acquired, result, taken_back)
        reach("run-closed")
    seconds = time.monotonic() - started
    still_open = tuple(note for note in plan.notes if note.rule == STILL_OPEN)
    notes = (*acquired.notes, *work.notes)
    facts = (acquired.recovered, remaining, result.stopped, taken_back, still_open, notes)
    return Report(work.run_id, plan.digest, result.outcomes, seconds, *facts)


def _audit_attempts(work: Work, acquired: Acquired) -> None:
    """Audits the connections that failed before this run held the fleet. What an unsigned file says of them is not written down,
    but what was seen when it was compared."""
    plan = work.plan
    if work.check is None:
        seen_before(acquired.run, acquired.control, plan.attempts, f"while the plan was made, {plan.created_at}")
        return
    held = {o.scope for o in plan.operations if o.id in acquired.held}  # these are recorded as what they hold back
    attempts = [attempt for attempt in work.attempts if attempt.address not in held]
    seen_before(acquired.run, acquired.control, attempts, "while the plan was compared")


def _close_run(work: Work, acquired: Acquired, result: RolloutResult, taken_back: Sequence[Outcome]) -> int:
    """Closes the run in the journal; how many resources are not as they were to be."""
    gone = {outcome.operation.address for outcome in taken_back}
    kept = [outcome for outcome in result.outcomes if outcome.operation.address not in gone]
    remaining = len(not_as_planned(work, [*kept, *taken_back]))
    failed = bool(result.stopped) or any(o.status != "done" for o in (*result.outcomes, *taken_back))
    status, applied = "partial" if failed or remaining else "done", not failed and not work.plan.empty
    record.close_run(acquired.run.author, acquired.control, status, applied=applied, kinds=work.plan.kinds)
    return remaining


def _close_again(acquired: Acquired, done: Sequence[Operation]) -> tuple[Outcome, ...]:
    """What an interrupted apply of this plan has closed, and whose sessions go on."""
    return tuple(closing.close_sessions_again(acquired.run, acquired.control, done))


def _held_back_outcomes(work: Work, acquired: Acquired, done: set[str]) -> list[Outcome]:
    """What must not run, as failed, or as stale."""
    operations = [
        o for o in work.plan.operations if o.id in acquired.held and o.id not in done and o.id not in acquired.stale
    ]
    stale = [o for o in work.plan.operations if o.id in acquired.stale]
    return [
        *held_back(acquired.run, acquired.control, operations, acquired.held),
        *stale_outcomes(acquired.run, acquired.control, stale, acquired.stale),
    ]


def _roll_back(
    work: Work,
    acquired: Acquired,
    result: RolloutResult,
    before: set[str],
    limits: Limits,
    on_outcome: Callable[[Outcome], None],
) -> tuple[Outcome, ...]:
    """Outcomes of the compensating downgrades, where the fleet wants them and the rollout was stopped."""
    if work.settings.spec.rollout.on_failure != "rollback" or not result.stopped:
        return ()
    done = before | {outcome.operation.id for outcome in result.outcomes if outcome.status == "done"}
    operations = rollback.journal(work, acquired.run, acquired.control, done)
    if not operations:
        return ()
    reach("rollback-journaled")
    outcomes = _roll_out(work, acquired, operations, replace(limits, max_failures=None), on_outcome).outcomes
    rollback.forget_revisions(work, acquired.run, acquired.control, work.read_live(), work.plan.operations)
    return outcomes


def _work(settings: Settings, plan: Plan, stack: ExitStack) -> Work:
    programs = stack.enter_context(Programs())
    run_id = str(uuid.uuid4())
    fleet = stack.enter_context(open_fleet(settings, tag=tag(run_id), patient=True))
    freshness.check_file(settings, fleet.trees, plan)
    commit = plan.base.get("commit")
    actor = provenance.actor(commit if isinstance(commit, str) else None, settings.root)
    return Work(fleet, plan, actor, run_id, programs)


def _limits(work: Work, acquired: Acquired, parallelism: int | None) -> Limits:
    """As many tracks as asked for and as the connection budget allows: two sessions each, and one for the lock."""
    spec = work.settings.spec
    budget = min(spec.max_connections, work.settings.servers[MAIN].max_connections)
    width = max(1, min(parallelism or spec.rollout.parallelism, (budget - 1) // 2))
    failures = None if spec.rollout.on_failure == "continue" else spec.rollout.max_failures
    attempted = partial(record.attempted, acquired.run.author, acquired.control)
    return Limits(width, failures, partial(between_waves, spec.rollout, work.connector, attempted))


def _roll_out(
    work: Work,
    acquired: Acquired,
    operations: Sequence[Operation],
    limits: Limits,
    on_outcome: Callable[[Outcome], None],
) -> RolloutResult:
    width = min(limits.parallelism, len({o.scope for o in operations}) or 1)
    with ExitStack() as stack:
        # The run's own session is the first: while tracks are at work, it has nothing else to do.
        sessions = [acquired.control, *_sessions(work, stack, width - 1)]
        return rollout(acquired.run, operations, replace(limits, parallelism=width), sessions, on_outcome)


@contextmanager
def main_errors(server: Server, database: str) -> Iterator[None]:
    """What breaks off in the main database, as a TenantplanError that says where and what to do; at whatever point of the run."""
    try:
        yield
    except psycopg.OperationalError as error:
        found = lost(error, server, database)
        gone = error.sqlstate is None or error.sqlstate.startswith("57P")
        what = "was lost during the run" if gone else "aborted the run"
        raise TenantplanError(
            f"the main database {what}: {' '.join(str(error).split()) if gone else found.message}",
            where=found.where,
            hint=AGAIN if gone else f"{found.hint}; then {AGAIN}",
        ) from error


def _sessions(work: Work, stack: ExitStack, count: int) -> list[Connection]:
    """Sessions on the main database, logged in side by side; closed with `stack`."""
    with ThreadPoolExecutor(max(1, count)) as pool:
        logins = [
            pool.submit(stack.enter_context, work.connector.connect(MAIN, work.main_database)) for _ in range(count)
        ]
    return [login.result() for login in logins]


def seen_before(run: Run, connection: Connection, attempts: Sequence[Finding], when: str) -> None:
    """Audits connections that failed, `when` in words; each once, also where an apply of the same plan was interrupted."""
    if not attempts:
        return
    facts = {
        (a.address, detail := f"{a.message} ({when})"): Fact(
            a.address, "connect", "failed", organization=organization(a.address), detail=detail
        )
        for a in attempts
    }
    with connection.transaction():
        record.check_epoch(connection, run.author.epoch)
        known = set(
            connection.execute(
                "SELECT address, detail FROM tenantplan.audit_log WHERE plan_digest = %s AND action = 'connect'",
                [run.author.digest],
            ).fetchall()
        )
        record.audit(run.author, connection, [fact for key, fact in facts.items() if key not in known])
