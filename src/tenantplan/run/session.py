"""One apply from lock to report: take the fleet, settle what an interrupted run left, check the plan, execute, check again."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg

from tenantplan import __version__
from tenantplan.errors import ConnectError, PlanRefused, TenantplanError
from tenantplan.execution import record, recover
from tenantplan.execution.bootstrap import bootstrap
from tenantplan.execution.context import MAIN, Actor, Run, tag
from tenantplan.execution.failpoint import reach
from tenantplan.execution.rollout import Limits, rollout
from tenantplan.execution.template import Recipe, ensure_template
from tenantplan.fleet import expected, provenance
from tenantplan.fleet.expected import GROUPS, Trees
from tenantplan.fleet.servers import Servers, fleet_servers
from tenantplan.fleet.survey import Question, Survey, survey
from tenantplan.migration import fingerprint as fingerprints
from tenantplan.model import address as addresses
from tenantplan.model.encode import fingerprint
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.model.resource import Resource, Role, Row, Secret, State
from tenantplan.planning.diff import comparable, under_new_names
from tenantplan.planning.lower import MAIN_SCOPE
from tenantplan.postgres import lock
from tenantplan.postgres.connect import Connection, Connector, is_pooled
from tenantplan.settings import Settings

GATE_PATIENCE = 3.0  # seconds; who finds the main database gives the gate back at once
_STALE = "make a fresh plan: tenantplan plan --out plan.json"


def session(settings: Settings, plan: Plan, parallelism: int | None, on_outcome: Callable[[Outcome], None]) -> Report:
    """Applies a plan that no guard stops; Locked or PlanRefused before the first write, else the Report."""
    started = time.monotonic()
    trees = expected.load_trees(settings)
    _check_file(settings, trees, plan)
    servers = fleet_servers(settings)
    run_id = str(uuid.uuid4())
    connector = Connector(servers.usable, settings.spec.max_connections, tag=tag(run_id), patient=True)
    work = _Work(settings, plan, trees, servers, connector, provenance.actor(_commit(plan), settings.root), run_id)
    with ExitStack() as stack:
        run, control, recovered = _take(work, stack)
        done = _already_done(control, plan)
        operations = [o for o in plan.operations if o.id not in done]
        limits = _limits(settings, parallelism)
        outcomes = _carry_out(work, run, control, operations, limits, on_outcome)
        remaining = len(_not_as_planned(work, outcomes))
        failed = any(o.status != "done" for o in outcomes)
        record.close_run(run, control, "partial" if failed or remaining else "done", applied=not failed)
        reach("run-closed")
    return Report(run_id, plan.digest, outcomes, time.monotonic() - started, recovered, remaining)


@dataclass(frozen=True)
class _Work:
    settings: Settings
    plan: Plan
    trees: Trees
    servers: Servers
    connector: Connector
    actor: Actor
    run_id: str

    @property
    def main_database(self) -> str:
        return self.settings.spec.main.database

    def look(self, opened: Sequence[recover.Open] = ()) -> Survey:
        """The live side, as far as this plan and what an interrupted run left open are concerned."""
        names = {a for o in self.plan.operations for a in (o.address, o.renamed_from) if a}
        names |= {a for o in opened for a in (o.address, o.renamed_from) if a}
        rows = [o.after for o in self.plan.operations if isinstance(o.after, Row)]
        references = {str(r.values["slug"]): r.values["database_url"] for r in rows if r.values.get("database_url")}
        known = survey(self.settings, self.servers, self.connector, Question(names))
        for row in known.state.values():
            if isinstance(row, Row) and row.values.get("database_url"):
                references.setdefault(str(row.values["slug"]), row.values["database_url"])
        if not references:
            return known
        brought = {f"url:{slug}": str(reference) for slug, reference in references.items()}
        holders = {f"url:{slug}": f"organization/{slug}" for slug in references}
        return survey(self.settings, self.servers, self.connector, Question(names, brought, holders))


def _commit(plan: Plan) -> str | None:
    commit = plan.base.get("commit")
    return commit if isinstance(commit, str) else None


def _check_file(settings: Settings, trees: Trees, plan: Plan) -> None:
    """What can be told about a plan without a database."""
    if plan.fleet != settings.fleet:
        raise PlanRefused(f"the plan is for fleet {plan.fleet}, this is {settings.fleet}", hint=_STALE)
    if plan.config_digest != expected.config_digest(settings, trees):
        raise PlanRefused("the fleet file or the migrations changed after the plan was made", hint=_STALE)
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(plan.created_at)
    except (ValueError, TypeError):  # TypeError: a time without its zone
        raise PlanRefused("the plan does not say when it was made", hint=_STALE) from None
    limit = settings.spec.guard.plan_max_age_hours
    if not timedelta(minutes=-5) <= age <= timedelta(hours=limit):
        raise PlanRefused(
            f"the plan was made at {plan.created_at}; plans can be applied for {limit} hours", hint=_STALE
        )


def _take(work: _Work, stack: ExitStack) -> tuple[Run, Connection, int]:
    """Takes the fleet for this run: gate, main database, lock, lease. Returns the run, its control session, and how many
    effects of interrupted runs were recorded. Everything is checked before the first write."""
    doorway = stack.enter_context(ExitStack())
    gate = doorway.enter_context(work.connector.connect(MAIN))
    if is_pooled(gate):
        raise ConnectError(
            "a connection pooler answers there, and hands each transaction another session",
            where=work.servers.usable[MAIN].place,
            hint="give tenantplan the address of PostgreSQL itself: locks and prepared names need a session",
        )
    key = lock.gate_key(work.main_database)
    lock.acquire(gate, key, patience=GATE_PATIENCE)
    control = None
    if gate.execute("SELECT FROM pg_database WHERE datname = %s", [work.main_database]).rowcount:
        control = _locked_main(work, stack)
        doorway.close()
    live = work.look()
    _check_target(work.plan, live)
    first = [o for o in work.plan.operations if o.scope == MAIN_SCOPE]
    newborn = "tenantplan.lease" not in live.main.columns
    if newborn:
        _check_fresh(work.plan, set(), live)
        _bear(work, live, gate, first)
        live = work.look()
    if control is None:
        control = _locked_main(work, stack)
        doorway.close()
    reach("locked")
    done: set[str] = set() if newborn else _check_usable(control, work.plan)
    dead = [r for r in recover.dead_runs(control) if r != work.run_id]
    if dead:
        aliases = [alias for alias in work.connector.servers if not alias.startswith("url:")]
        recover.end_sessions(work.connector, aliases, dead)
        live = work.look(recover.open_operations(control, dead))
    if not newborn:
        _check_fresh(work.plan, done, live)
        _check_secrets(work, done, live)
    epoch = lock.take_over(control, work.run_id, work.actor.name, work.actor.host, os.getpid())
    run = _run(work, live, epoch)
    recovered = _settle(work, run, control, live, dead) if dead else 0
    if newborn:
        control.execute("UPDATE tenantplan.runs SET epoch = %s WHERE id = %s", [epoch, run.id])
    else:
        record.open_run(run, control, [o for o in work.plan.operations if o.id not in done])
    reach("run-opened")
    return run, control, recovered


def _locked_main(work: _Work, stack: ExitStack) -> Connection:
    control = stack.enter_context(work.connector.connect(MAIN, work.main_database))
    lock.acquire(control)
    return control


def _bear(work: _Work, live: Survey, gate: Connection, first: Sequence[Operation]) -> None:
    if not first:
        raise PlanRefused("the main database does not exist, and the plan does not make it", hint=_STALE)
    bootstrap(_run(work, live, 0), gate, first, work.plan.operations)


def _settle(work: _Work, run: Run, control: Connection, live: Survey, dead: list[str]) -> int:
    opened = recover.open_operations(control, dead)
    aliases = [alias for alias in work.connector.servers if not alias.startswith("url:")]
    recover.collect(work.connector, aliases, opened)

    def happened(item: recover.Open) -> bool:
        have = live.state.get(item.address)
        if item.retire:
            return have is not None and not isinstance(have, Row) and getattr(have, "retired_at", None) is not None
        if item.after is None or have is None:
            return item.after is None and have is None
        return _same(item.after, comparable(have, item.after))

    return recover.settle(run, control, opened, dead, happened)


def _check_target(plan: Plan, live: Survey) -> None:
    wanted = plan.target.get("servers")
    found = {alias: facts.system_identifier for alias, facts in live.servers.items()}
    needed = {
        r.server for o in plan.operations if (r := o.after or o.before) is not None and not isinstance(r, Row)
    } | {MAIN}
    if not isinstance(wanted, dict) or any(wanted.get(a) != found.get(a) for a in needed if not a.startswith("url:")):
        raise PlanRefused("the plan was made for another PostgreSQL server than this one", hint=_STALE)


def _check_usable(control: Connection, plan: Plan) -> set[str]:
    """Ids of the plan's operations that an interrupted apply of it has done; PlanRefused when all of it was applied."""
    applied = control.execute(
        "SELECT run_id::text FROM tenantplan.applied_plans WHERE seal = %s", [plan.seal]
    ).fetchone()
    if applied is not None:
        raise PlanRefused(f"this plan was already applied, by run {applied[0]}", hint=_STALE)
    return _already_done(control, plan)


def _already_done(control: Connection, plan: Plan) -> set[str]:
    rows = control.execute(
        "SELECT op_id FROM tenantplan.operations o JOIN tenantplan.runs r ON r.id = o.run_id"
        " WHERE r.plan_seal = %s AND o.status IN ('done', 'recovered')",
        [plan.seal],
    ).fetchall()
    return {row[0] for row in rows}


def _check_fresh(plan: Plan, done: set[str], live: Survey) -> None:
    """PlanRefused when anything that the operations not `done` are about is not as the plan saw it."""
    state, _ = under_new_names(live.state, plan.renames)
    operations = [o for o in plan.operations if o.id not in done]
    stale = sorted(
        o.address
        for o in operations
        if fingerprint(_seen(o, state)) != o.fingerprint or not getattr(state.get(o.address), "managed", True)
    )
    if stale:
        more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
        raise PlanRefused(f"changed after the plan was made: {', '.join(stale[:5])}{more}", hint=_STALE)


def _check_secrets(work: _Work, done: set[str], live: Survey) -> None:
    """PlanRefused when a secret to be set is not the one that the plan was made with."""
    operations = [o for o in work.plan.operations if o.id not in done]
    replaced = expected.replaced_secrets(operations, live.main.hash_key, work.settings.root)
    if replaced:
        raise PlanRefused(f"changed after the plan was made: the value of {', '.join(replaced)}", hint=_STALE)


def _seen(operation: Operation, state: State) -> Resource | None:
    """The live resource as the planner would have seen it."""
    have = state.get(operation.address)
    want = operation.after or operation.before
    if have is None or want is None:
        return have
    return comparable(have, want)


def _run(work: _Work, live: Survey, epoch: int) -> Run:
    recipe = Recipe(
        work.settings.fleet,
        work.main_database,
        work.trees.tenant.head or "none",
        work.trees.statements("tenant", None),
        GROUPS,
        fingerprints.objects,
    )
    building = {alias: threading.Lock() for alias in work.connector.servers}
    ready: dict[str, str] = {}

    def template(alias: str) -> str:
        with building[alias]:
            if alias not in ready:
                ready[alias] = ensure_template(work.connector, alias, recipe)
        return ready[alias]

    return Run(
        id=work.run_id,
        fleet=work.settings.fleet,
        main_database=work.main_database,
        root=work.settings.root,
        connector=work.connector,
        actor=work.actor,
        epoch=epoch,
        digest=work.plan.digest,
        seal=work.plan.seal,
        hash_key=live.main.hash_key or "",
        role=live.servers[MAIN].role,
        tool_version=__version__,
        ids={addresses.renamed(address, work.plan.renames): row_id for row_id, address in live.main.ids.items()},
        versions={alias: facts.version_num for alias, facts in live.servers.items()},
        template=template,
        digests=work.trees.digests,
        catalog_locks={alias: threading.Lock() for alias in work.connector.servers},
    )


def _limits(settings: Settings, parallelism: int | None) -> Limits:
    """As many tracks as asked for and as the connection budget allows: two sessions each, and one for the lock."""
    spec = settings.spec
    budget = min(spec.max_connections, settings.servers[MAIN].max_connections)
    return Limits(max(1, min(parallelism or spec.rollout.parallelism, (budget - 1) // 2)), spec.rollout.max_failures)


def _carry_out(
    work: _Work,
    run: Run,
    control: Connection,
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


def _not_as_planned(work: _Work, outcomes: Sequence[Outcome]) -> list[str]:
    """Addresses that a done operation left different from what it was to bring about: an error, and empty in a sound run."""
    if not outcomes:
        return []
    state = work.look().state
    wrong = []
    for outcome in outcomes:
        operation = outcome.operation
        if outcome.status != "done" or operation.after is None:
            continue
        have = state.get(operation.address)
        if have is None or not _same(operation.after, comparable(have, operation.after)):
            wrong.append(operation.address)
    return wrong


def _same(want: Resource, have: Resource) -> bool:
    """Equal, a secret that had no keyed hash yet counting as equal to any."""
    if isinstance(want, Role) and isinstance(have, Role) and _unhashed(want.password):
        return replace(want, password=None) == replace(have, password=None)
    if isinstance(want, Row) and isinstance(have, Row):
        open_columns = {c for c, v in want.values.items() if isinstance(v, Secret) and v.keyed is None}
        return all(have.values.get(c) == v for c, v in want.values.items() if c not in open_columns)
    return want == have


def _unhashed(secret: Secret | None) -> bool:
    return secret is not None and secret.keyed is None
