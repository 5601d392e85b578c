"""What a plan says besides its operations: notes, blockers, what is out of reach."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tenantplan.model.desired import Desired
from tenantplan.model.live import Survey
from tenantplan.model.plan import RIGHTS, Finding, Plan
from tenantplan.model.resource import Role, Row, State
from tenantplan.planning import guard
from tenantplan.planning.brakes import brakes
from tenantplan.planning.logins import findings as due_logins
from tenantplan.planning.notes import notes
from tenantplan.planning.rights import makes_on, missing_rights
from tenantplan.planning.still_open import still_open
from tenantplan.settings.settings import GuardSpec
from tenantplan.tables.fit import misfits


def to_know(desired: Desired, known: State, live: Survey, now: datetime) -> list[Finding]:
    """What a reviewer should see although it changes nothing."""
    open_logins = [address for address, role in known.items() if isinstance(role, Role) and role.login]
    due = due_logins(desired, live.main.issued, now, open_logins)
    return [*desired.notes, *notes(desired.state, known, now), *due, *still_open(desired, known)]


def still_unreachable(live: Survey, blocked: list[Finding]) -> tuple[Finding, ...]:
    """What cannot be planned now, without what is told as a blocker."""
    told = {finding.address for finding in blocked}
    return tuple(finding for finding in live.unreachable if finding.address not in told)


def lacking_rights(plan: Plan, live: Survey) -> list[Finding]:
    """A note for each server on which the plan makes something that this role may not make: planning takes no such right."""
    made = makes_on(plan.operations)
    lacking = {
        alias: missing_rights(facts.role, facts.createdb, facts.createrole)
        for alias, facts in live.servers.items()
        if alias in made
    }
    return [
        Finding(f"server/{alias}", RIGHTS, f"{why}. It can plan this; another role has to apply it")
        for alias, why in lacking.items()
        if why
    ]


def misfit_kinds(plan: Plan, live: Survey) -> list[Finding]:
    """Kinds that the plan has rows of, whose tables are not as declared, and kinds that left rows in another table."""
    left = [
        Finding(
            f"kind/{kind}", "kind", f"stood for table {table}, where {count} rows are still managed: {_HOW_TO_FREE}"
        )
        for (kind, table), count in ((name.split(" ", 1), count) for name, count in live.main.left.items())
    ]
    used = {r.table for o in plan.operations if isinstance(r := o.after or o.before, Row)}
    return left + misfits([kind for kind in plan.kinds if kind.table in used], live.main.relations)


_HOW_TO_FREE = "delete them under a kind of another name, or set their ownership column to NULL"


def guarded(spec: GuardSpec, targets: Collection[str], plan: Plan, desired: Desired, known: State) -> list[Finding]:
    """What protections, brakes and dependents have against the plan; `targets` are the addresses that it was made for, if any."""
    return [
        *guard.protection(plan.operations),
        *guard.lifted_first(desired, known),
        *guard.dependents(plan.operations, known, desired.tables),
        *guard.held_keys(plan.operations, known, desired.tables),
        *guard.lost(plan.operations, known, desired.renames, targets),
        *brakes(spec, plan, known),
    ]
