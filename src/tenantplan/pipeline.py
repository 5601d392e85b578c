"""The story of design.md: files and servers in, a Plan out; a Plan in, a Report out. One way, no stage calls back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tenantplan import __version__
from tenantplan.errors import Blocked, TenantplanError
from tenantplan.execution import statements
from tenantplan.execution.context import MAIN
from tenantplan.fleet import expected, provenance
from tenantplan.fleet.expected import Trees
from tenantplan.fleet.servers import fleet_servers
from tenantplan.fleet.survey import Question, Survey, check_rights, survey
from tenantplan.live import occupancy
from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.model.resource import Database, Ref, Resource, Row, State
from tenantplan.planning import guard
from tenantplan.planning.diff import diff
from tenantplan.planning.lower import lower
from tenantplan.planning.order import order
from tenantplan.planning.select import EVERYTHING, Selection, select
from tenantplan.planning.waves import assign_waves
from tenantplan.postgres.connect import Connector
from tenantplan.run.session import session
from tenantplan.settings import Settings


def plan(settings: Settings, selection: Selection = EVERYTHING) -> Plan:
    """Compares the manifest with what is live and returns the Plan. Writes nothing: its sessions are read-only.

    Raises ManifestError, MigrationError or ConnectError; what stands in the way of applying is in the Plan.
    """
    trees = expected.load_trees(settings)
    desired = expected.complete(expected.declared(settings), settings, trees)
    servers = fleet_servers(settings)
    connector = Connector(servers.usable, settings.spec.max_connections)
    live = survey(settings, servers, connector, _question(desired))
    check_rights(live.servers[MAIN], servers.usable[MAIN].place)
    return _decide(settings, trees, desired, live, connector, selection)


def apply(
    settings: Settings,
    chosen: Plan,
    *,
    allow_deletes: int | None = None,
    parallelism: int | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Executes exactly the operations of a plan and reports what became of each.

    Raises Blocked, PlanRefused or Locked before the first write, when a guard stands, the plan is not this fleet's or
    not fresh, or another run is at work.
    """
    standing = guard.standing(chosen, allow_deletes)
    if standing:
        raise Blocked("\n".join(f"{b.address}: {b.message}" for b in standing), hint="nothing was changed")
    if chosen.empty:
        return Report("", chosen.digest, (), 0.0)
    return session(settings, chosen, parallelism, on_outcome)


def _decide(
    settings: Settings, trees: Trees, desired: Desired, live: Survey, connector: Connector, selection: Selection
) -> Plan:
    wanted = desired
    desired, known = without_held_out(desired, live)
    state, weak = expected.with_secrets(desired.state, live.main.hash_key, settings.root)
    desired = replace(desired, state=state)
    grace = timedelta(days=settings.spec.guard.grace_days)
    difference = diff(desired, known, now=datetime.now(UTC), grace=grace)
    migrations, stuck = expected.migrations_for(desired.state, known, trees)
    changes = [c for c in difference.changes if c.address not in stuck]
    main_name = settings.spec.main.database
    operations = order(lower(changes, migrations, main_database=main_name))
    labels = _labels(desired)
    operations = select(operations, selection, labels, frozenset(desired.state) | frozenset(live.state))
    pace = settings.spec.rollout
    operations = assign_waves(operations, labels, pace.canary, pace.batch)
    shown = tuple(o if o.statements else replace(o, statements=statements.preview(o)) for o in operations)
    made = Plan(
        fleet=settings.fleet,
        tool_version=__version__,
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        base=provenance.base(settings.root),
        target=target(settings, live),
        config_digest=expected.config_digest(settings, trees),
        operations=shown,
        orphans=difference.orphans,
        unreachable=live.unreachable + _not_planned(wanted, desired, live),
        unfinished=live.main.unfinished,
        selection=selection.document(),
    )
    blockers = [*difference.conflicts, *weak, *stuck.values(), *expected.edited(trees, live.main.recorded)]
    blockers += guard.protection(operations) + guard.lifted_first(desired, known)
    blockers += guard.dependents(operations, known) + guard.lost(operations, known, selection.targets)
    blockers += _losses(connector, guard.relocations(operations, known), live)
    limits = settings.spec.guard
    brakes = guard.Brakes(limits.max_deletes, limits.max_changed_percent, limits.max_changed)
    blockers += guard.brakes(operations, made.summary["delete"], guard.live_organizations(known), brakes)
    return replace(made, blockers=tuple(sorted(set(blockers), key=lambda b: (b.address, b.rule, b.message))))


def _question(desired: Desired) -> Question:
    brought = {
        f"url:{a.split('/', 1)[1]}": p for a, p in desired.placements.items() if p.url and a.startswith("organization/")
    }
    return Question(
        addresses=[*desired.state, *desired.deleted, *desired.renames],
        brought={alias: str(place.url) for alias, place in brought.items()},
        holders={alias: place.holder for alias, place in brought.items()},
    )


def target(settings: Settings, live: Survey) -> dict[str, object]:
    """What a plan was made for: the clusters by their system identifiers, and the main database."""
    main = live.servers[MAIN]
    return {
        "system_identifier": main.system_identifier,
        "main_database": settings.spec.main.database,
        "server": MAIN,
        "server_version": main.version,
        "servers": {alias: facts.system_identifier for alias, facts in live.servers.items()},
    }


def without_held_out(desired: Desired, live: Survey) -> tuple[Desired, State]:
    """Both sides without the organizations that cannot be planned now, and without what belongs to them."""
    lost_servers = {f.address.split("/", 1)[1] for f in live.unreachable if f.address.startswith("server/")}
    held = set(live.held_out)
    held |= {a for a, place in desired.placements.items() if place.server in lost_servers}
    held |= {a for a, r in {**live.state, **desired.state}.items() if isinstance(r, Row) and _belongs(r, held)}
    if not held and not lost_servers:
        return desired, live.state

    def kept(address: str, resource: Resource) -> bool:
        if isinstance(resource, Row):
            return addresses.document(address) not in held and not (address.count("/") > 1 and _belongs(resource, held))
        return addresses.owner(address, resource) not in held and resource.server not in lost_servers

    state = {a: r for a, r in desired.state.items() if kept(a, r)}
    deleted = frozenset(a for a in desired.deleted if addresses.document(a) not in held)
    return replace(desired, state=state, deleted=deleted), {a: r for a, r in live.state.items() if kept(a, r)}


def _not_planned(wanted: Desired, planned: Desired, live: Survey) -> tuple[Finding, ...]:
    """A finding for each declared organization or tenant that was held out and is not named as unreachable itself."""
    named = {finding.address for finding in live.unreachable}
    gone = sorted(a for a in wanted.placements if a in wanted.state and a not in planned.state and a not in named)
    return tuple(Finding(a, "unreachable", "not planned: what it depends on is out of reach") for a in gone)


def _belongs(row: Row, held: set[str]) -> bool:
    owner = row.values.get("organization_id")
    return isinstance(owner, Ref) and owner.address in held


def _labels(desired: Desired) -> dict[str, dict[str, str]]:
    """Labels by address, with an organization's tier and mode among them, so that --selector tier=pro works."""
    labels = {address: dict(found) for address, found in desired.labels.items()}
    for address, resource in desired.state.items():
        if isinstance(resource, Row) and "database_mode" in resource.values:
            own = labels.setdefault(address, {})
            own.setdefault("mode", str(resource.values["database_mode"]))
            tier = resource.values.get("tier_id")
            if isinstance(tier, Ref):
                own.setdefault("tier", tier.address.split("/", 1)[1])
    return labels


def _losses(connector: Connector, moving: Sequence[Operation], live: Survey) -> list[Finding]:
    """A blocker for each organization whose data would be left behind by a change of where it lives."""
    found = []
    for operation in moving:
        try:
            rows = _occupancy(connector, operation, live)
        except TenantplanError as error:
            found.append(Finding(operation.address, "occupied", f"cannot tell whether it has rows: {error.message}"))
            continue
        blocker = guard.occupied(operation, rows)
        if blocker:
            found.append(blocker)
    return found


def _occupancy(connector: Connector, operation: Operation, live: Survey) -> dict[str, int]:
    before = operation.before
    assert isinstance(before, Row)
    owner = before.values.get("organization_id")
    home = live.state.get(owner.address) if isinstance(owner, Ref) else None
    place = before.values if before.values["database_mode"] != "inherit" or not isinstance(home, Row) else home.values
    if place["database_mode"] != "dedicated":
        organization = home if isinstance(home, Row) else before
        with connector.connect(MAIN, str(live_main(live)), read_only=True) as connection:
            return occupancy.shared_rows(connection, str(organization.id))
    alias = place.get("database_server") or f"url:{operation.address.split('/', 1)[1]}"
    with connector.connect(alias, place.get("database_name"), read_only=True) as connection:
        return occupancy.database_rows(connection)


def live_main(live: Survey) -> str:
    """The name of the main database that was read."""
    return next(r.name for r in live.state.values() if isinstance(r, Database) and r.holder is None)
