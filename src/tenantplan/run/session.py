"""One apply from lock to report: take the fleet, execute the plan, look whether it came true."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import psycopg

from tenantplan.errors import TenantplanError
from tenantplan.execution import record
from tenantplan.execution.context import MAIN, Run, tag
from tenantplan.execution.failpoint import reach
from tenantplan.execution.rollout import Limits, rollout
from tenantplan.fleet import expected, provenance
from tenantplan.fleet.servers import fleet_servers
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.postgres.connect import Connector
from tenantplan.run import freshness
from tenantplan.run.result import not_as_planned
from tenantplan.run.take import take
from tenantplan.run.work import Work
from tenantplan.settings import Settings


def session(settings: Settings, plan: Plan, parallelism: int | None, on_outcome: Callable[[Outcome], None]) -> Report:
    """Applies a plan that no guard stops; Locked or PlanRefused before the first write, else the Report."""
    started = time.monotonic()
    work = _work(settings, plan)
    with ExitStack() as stack:
        taken = take(work, stack)
        done = freshness.already_done(taken.control, plan)
        operations = [o for o in plan.operations if o.id not in done]
        outcomes = _carry_out(work, taken.run, operations, _limits(settings, parallelism), on_outcome)
        remaining = len(not_as_planned(work, outcomes))
        failed = any(o.status != "done" for o in outcomes)
        status = "partial" if failed or remaining else "done"
        record.close_run(taken.run, taken.control, status, applied=not failed, kinds=plan.kinds)
        reach("run-closed")
    return Report(work.run_id, plan.digest, outcomes, time.monotonic() - started, taken.recovered, remaining)


def _work(settings: Settings, plan: Plan) -> Work:
    trees = expected.load_trees(settings)
    freshness.check_file(settings, trees, plan)
    servers = fleet_servers(settings)
    run_id = str(uuid.uuid4())
    connector = Connector(servers.usable, settings.spec.max_connections, tag=tag(run_id), patient=True)
    commit = plan.base.get("commit")
    actor = provenance.actor(commit if isinstance(commit, str) else None, settings.root)
    return Work(settings, plan, trees, servers, connector, actor, run_id)


def _limits(settings: Settings, parallelism: int | None) -> Limits:
    """As many tracks as asked for and as the connection budget allows: two sessions each, and one for the lock."""
    spec = settings.spec
    budget = min(spec.max_connections, settings.servers[MAIN].max_connections)
    return Limits(max(1, min(parallelism or spec.rollout.parallelism, (budget - 1) // 2)), spec.rollout.max_failures)


def _carry_out(
    work: Work,
    run: Run,
    operations: Sequence[Operation],
    limits: Limits,
    on_outcome: Callable[[Outcome], None],
) -> tuple[Outcome, ...]:
    width = min(limits.parallelism, len({o.scope for o in operations}) or 1)
    try:
        with ExitStack() as stack:
            sessions = [stack.enter_context(work.connector.connect(MAIN, work.main_database)) for _ in range(width)]
            return rollout(run, operations, replace(limits, parallelism=width), sessions, on_outcome)
    except psycopg.OperationalError as error:
        raise TenantplanError(
            f"the main database was lost on the way: {' '.join(str(error).split())}",
            where=work.servers.usable[MAIN].place,
            hint="run apply again: it finishes what this run began",
        ) from error
