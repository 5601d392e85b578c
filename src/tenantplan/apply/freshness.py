"""Whether a plan, known to be intact, may be applied here and now, and has not been applied yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg import sql

from tenantplan.apply.effects.table import effect
from tenantplan.apply.work import Work
from tenantplan.desired import declare
from tenantplan.desired.secrets import replaced_secrets
from tenantplan.errors import Blocked, PlanRefused, PrivilegeError, TenantplanError
from tenantplan.migration.trees import Trees
from tenantplan.model.address import MAIN, is_brought
from tenantplan.model.common_group import created_since
from tenantplan.model.encode import fingerprint
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Plan
from tenantplan.model.resource import Database, Package, Resource, Row, Schema, State, afters, one
from tenantplan.model.window import Deferral
from tenantplan.planning.comparable import comparable
from tenantplan.planning.diff import under_new_names
from tenantplan.planning.live_labels import live_labels
from tenantplan.planning.rights import makes_on, missing_rights
from tenantplan.planning.windows import CLOSED, restricted
from tenantplan.postgres.connect import Connection
from tenantplan.postgres.queries import query
from tenantplan.settings.settings import Settings
from tenantplan.stores import Stored, measure

STALE = "make a new plan: tenantplan plan --out plan.json"
_NAMED = 5


def check_file(settings: Settings, trees: Trees, plan: Plan) -> None:
    """Checks a plan without a database."""
    if plan.fleet != settings.fleet:
        raise PlanRefused(f"the plan is for fleet {plan.fleet}, this is {settings.fleet}", hint=STALE)
    if plan.config_digest != declare.config_digest(settings, trees):
        raise PlanRefused("the fleet file or the migrations changed after the plan was made", hint=STALE)


def check_time(settings: Settings, plan: Plan, now: datetime) -> None:
    """PlanRefused when a plan is too old, Blocked when an operation of it may not run `now`, by the main server's clock."""
    try:
        age = now - datetime.fromisoformat(plan.created_at)
    except (ValueError, TypeError):  # TypeError: a time without its zone
        raise PlanRefused("the plan does not say when it was made", hint=STALE) from None
    limit = settings.spec.guard.plan_max_age_hours
    if not timedelta(minutes=-5) <= age <= timedelta(hours=limit):
        raise PlanRefused(f"the plan was made at {plan.created_at}; plans can be applied for {limit} hours", hint=STALE)
    _refuse_waiting(restricted(plan.operations, plan.labels, settings.rules, now)[1])


def check_windows(work: Work, done: set[str], live: Survey) -> None:
    """Blocked when an operation may not run now by the labels that its organization has, whatever it is to get."""
    state, _ = under_new_names(live.state, work.plan.renames)
    left = [o for o in work.plan.operations if o.id not in done]
    rules = work.settings.rules
    _refuse_waiting(restricted(left, work.plan.labels, rules, live.now, live_labels(left, state))[1])


def _refuse_waiting(waiting: Sequence[Deferral]) -> None:
    if waiting:
        last = max(waiting, key=lambda deferral: deferral.until)
        closed = "the change window has closed; it opens again" if last.why == CLOSED else f"{last.why}, until"
        raise Blocked(
            f"{closed} {last.when}",
            where=last.address,
            hint="nothing was changed; apply the plan then, or make a new one with what may run now",
        )


def check_server(plan: Plan, connection: Connection) -> None:
    """The same of the main server alone, before anything is made there."""
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    wanted = plan.target.get("servers")
    if row is None or not isinstance(wanted, dict) or wanted.get(MAIN) != row[0]:
        raise PlanRefused("the plan was made for another PostgreSQL server than this one", hint=STALE)


def check_role(plan: Plan, connection: Connection) -> None:
    """The same as check_rights of the main server alone, before anything is made there."""
    row = connection.execute(query("server")).fetchone()
    why = missing_rights(*row[3:6]) if row and MAIN in makes_on(plan.operations) else None
    if why:
        raise PrivilegeError(why, hint=_OTHER_ROLE)


def check_rights(plan: Plan, live: Survey) -> None:
    """PrivilegeError when the role may not make what the plan makes: apply would stop halfway."""
    for alias in sorted(makes_on(plan.operations) & live.servers.keys()):
        facts = live.servers[alias]
        if why := missing_rights(facts.role, facts.createdb, facts.createrole):
            raise PrivilegeError(why, where=f"server {alias}", hint=_OTHER_ROLE)


_OTHER_ROLE = "or apply with the URL of a role that has them: tenantplan doctor --grants; nothing was changed"


def check_target(plan: Plan, live: Survey) -> None:
    """PlanRefused when a server the plan is about is not the one it was made for."""
    wanted = plan.target.get("servers")
    found = {alias: facts.system_identifier for alias, facts in live.servers.items()}
    needed = {MAIN, *(o.server for o in plan.operations)}
    if not isinstance(wanted, dict) or any(wanted.get(a) != found.get(a) for a in needed if not is_brought(a)):
        raise PlanRefused("the plan was made for another PostgreSQL server than this one", hint=STALE)


def check_usable(control: Connection, plan: Plan) -> set[str]:
    """Ids of the plan's operations that an interrupted apply of it has done; PlanRefused when all of it was applied."""
    applied = control.execute(
        "SELECT run_id::text FROM tenantplan.applied_plans WHERE seal = %s", [plan.seal]
    ).fetchone()
    if applied is not None:
        raise PlanRefused(f"this plan was already applied, by run {applied[0]}", hint=STALE)
    return already_done(control, plan)


def journaled(control: Connection, plan: Plan) -> set[str]:
    """Ids of the plan's operations that a run of this very plan has journaled: those that passed every check."""
    return _operations(control, plan, "true")


def already_done(control: Connection, plan: Plan) -> set[str]:
    """Ids of the plan's operations that are journaled as done, by this run or an interrupted one."""
    return _operations(control, plan, "o.status IN ('done', 'recovered')")


def begun_already(control: Connection, plan: Plan) -> set[str]:
    """Ids of the plan's operations that an interrupted apply of it has begun."""
    return _operations(control, plan, "o.started_at IS NOT NULL")


def _operations(control: Connection, plan: Plan, which: LiteralString) -> set[str]:
    """Ids of the operations that runs of this very plan have journaled, as far as a condition holds for them."""
    rows = control.execute(
        sql.SQL(
            "SELECT op_id FROM tenantplan.operations o JOIN tenantplan.runs r ON r.id = o.run_id"
            " WHERE r.plan_seal = %s AND {}"
        ).format(sql.SQL(which)),
        [plan.seal],
    ).fetchall()
    return {row[0] for row in rows}


def check_fresh(plan: Plan, done: set[str], live: Survey, begun: Collection[str] = ()) -> None:
    """PlanRefused when anything that the operations not `done` are about is not as the plan saw it."""
    found = sorted(o.address for o in stale(plan, done, live, begun))
    if found:
        raise PlanRefused(f"changed after the plan was made: {some(found, _NAMED)}", hint=STALE)


def stale(plan: Plan, done: set[str], live: Survey, begun: Collection[str] = ()) -> list[Operation]:
    """The operations, without those that are `done`, that are about something that is not as the plan saw it.

    Of those that were `begun`, databases may be shut: nobody may connect to one before it gets another name.
    """
    state, _ = under_new_names(live.state, plan.renames)
    first = {o.address: o for o in reversed(plan.operations)}  # what a second step finds is what the first one made
    operations = [o for o in first.values() if o.id not in done and not _out_of_reach(o, live)]
    return [
        o
        for o in operations
        if fingerprint(_seen(o, state)) != o.fingerprint or not _is_ours(o, state.get(o.address))
        if not (o.id in begun and _shut(o, state.get(o.address)))
        if not created_since(o, state)
    ]


def check_standing(plan: Plan, done: set[str], live: Survey) -> None:
    """PlanRefused when what an interrupted apply of this plan has done was taken back or changed since."""
    undone = sorted(o.address for o in taken_back(plan, done, live))
    if undone:
        raise PlanRefused(
            f"this plan was partly applied, and what it did has been changed since: {some(undone, _NAMED)}",
            hint=STALE,
        )


def taken_back(plan: Plan, done: set[str], live: Survey) -> list[Operation]:
    """The operations that an interrupted apply of this plan has `done`, and whose effect was taken back or changed since."""
    state, _ = under_new_names(live.state, plan.renames)
    last = {o.address: o for o in plan.operations if o.id in done}
    return [o for a, o in last.items() if not _away(o, live) and not _stands(o, state.get(a))]


def _away(operation: Operation, live: Survey) -> bool:
    """Whether it is about something that is out of reach now."""
    away = operation.server not in (MAIN, *live.servers) and not is_brought(operation.server)
    return away or operation.owner in live.unplannable


def _stands(operation: Operation, have: Resource | None) -> bool:
    gone = have is None or have.retired_at is not None or not have.managed
    if operation.after is None:
        return gone if operation.retire else have is None or not have.managed
    return (
        have is not None
        and not gone
        and effect(operation).converged(operation.after, comparable(have, operation.after))
    )


def _shut(operation: Operation, have: Resource | None) -> bool:
    before, database = one(operation.before, Database), one(have, Database)
    if before is None or database is None or database.connect or not _is_ours(operation, database):
        return False
    return fingerprint(replace(database, connect=before.connect)) == operation.fingerprint


def _out_of_reach(operation: Operation, live: Survey) -> bool:
    """Whether it is about a database that an organization brought and that cannot be looked into now: it fails alone."""
    schema = one(operation.after, Schema)
    return schema is not None and is_brought(schema.server) and schema.holder in live.unplannable


def check_secrets(work: Work, done: set[str], live: Survey) -> None:
    """PlanRefused when a secret to be set is not the one that the plan was made with."""
    operations = [o for o in work.plan.operations if o.id not in done]
    replaced = replaced_secrets(operations, live.main.hash_key, work.settings.root, work.tables)
    if replaced:
        raise PlanRefused(f"changed after the plan was made: the value of {', '.join(replaced)}", hint=STALE)


def other_secrets(work: Work, done: set[str], live: Survey) -> list[Operation]:
    """The operations that are to set a secret which is not the one that the plan was made with."""
    left, key, root = [o for o in work.plan.operations if o.id not in done], live.main.hash_key, work.settings.root
    return [o for o in left if replaced_secrets([o], key, root, work.tables)]


def check_packages(work: Work, done: set[str]) -> None:
    """PlanRefused when a file to be stored is not the one that the plan was made with."""
    wanted = [
        (one(o.before, Package), package) for o, package in afters(work.plan.operations, Package) if o.id not in done
    ]
    changed = sorted(str(p.source) for before, p in wanted if p.source and not _same_file(work, before, p))
    if changed:
        raise PlanRefused(f"changed after the plan was made: the file {', '.join(changed)}", hint=STALE)


def _same_file(work: Work, before: Package | None, package: Package) -> bool:
    """Whether the file is what the plan saw; one that is stored already need not be there."""
    path = work.settings.root / str(package.source)
    if not path.is_file():
        return before is not None and before.sha256 == package.sha256 and before.store == package.store
    try:
        return measure(path) == Stored(package.size, package.sha256)
    except (TenantplanError, OSError):
        return False


def _is_ours(operation: Operation, have: Resource | None) -> bool:
    """Whether what is there is still the fleet's, or, where it is to be adopted, nobody's."""
    if operation.adopt:
        row = one(have, Row)
        return row is not None and not row.managed and row.manager is None
    return have is None or have.managed


def _seen(operation: Operation, state: State) -> Resource | None:
    """The live resource as the planner would have seen it."""
    have = state.get(operation.address)
    return have if have is None else comparable(have, operation.subject)
