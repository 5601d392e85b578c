"""The checklist before a deployment: everything that can be known before anything is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg

from tenantplan.commands.doctor import readiness, supplies
from tenantplan.commands.doctor.connections import fleet_checks
from tenantplan.commands.doctor.extensions import extensions
from tenantplan.commands.doctor.rehearsal import NAME, collect, pending, rehearse
from tenantplan.commands.doctor.store import store_checks
from tenantplan.commands.drift.schemas import schema_drift
from tenantplan.commands.status.fleet_view import FleetView, activity
from tenantplan.desired import declare
from tenantplan.desired.secrets import with_secrets
from tenantplan.errors import ManifestError, TenantplanError
from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.live.current_servers import placed
from tenantplan.live.survey import survey, survey_request
from tenantplan.live.tenant_schemas import tenant_schemas
from tenantplan.model.address import has_placement
from tenantplan.model.check import Check, passed
from tenantplan.model.desired import Desired
from tenantplan.model.listing import some
from tenantplan.model.live import Survey
from tenantplan.postgres.advice import describe
from tenantplan.settings.settings import Settings

# What a deployment is made of, in order: the step, and what does it.
ORDER = (
    ("backup", "of every database: pg_dump, or your provider's snapshot"),
    ("migrate", "tenantplan plan --out plan.json, then tenantplan apply plan.json"),
    ("verify", "tenantplan drift, tenantplan status --max-skew 0, tenantplan audit verify"),
    ("watch", "rollout.health between waves; tenantplan report critical-errors"),
)


def doctor(settings: Settings, *, rehearsal: bool = True) -> Iterator[Check]:
    """Every line of the checklist, as soon as it is known. Nothing is written but, for `rehearsal`, copies of templates and a file
    in the store of packages, which are gone afterwards."""
    with open_fleet(settings) as fleet:
        yield from _checklist(fleet, rehearsal)


def _checklist(fleet: Fleet, rehearsal: bool) -> Iterator[Check]:
    try:
        _ = fleet.servers
    except TenantplanError as error:
        yield _failed("main", "connect", error)
        return
    reached = True
    for check in fleet_checks(fleet, rights=True):
        reached = reached and not (check.subject == "main" and check.status == "fail" and check.name == "connect")
        yield check
    try:
        _ = fleet.trees
    except TenantplanError as error:
        yield _failed("migrations", "tree", error)
        return
    yield from _about_the_fleet(fleet, rehearsal) if reached else ()
    yield from readiness.backups()


def _about_the_fleet(fleet: Fleet, rehearsal: bool) -> Iterator[Check]:
    try:
        documents = declare.load_documents(fleet)
        desired = declare.complete(declare.declared(fleet, documents, placed(fleet, documents)), fleet)
        live = survey(fleet, replace(survey_request(desired), follow=True))
    except ManifestError as error:
        yield Check("manifest", "YAML", "fail", f"{len(error.problems)} problems", "tenantplan validate shows them")
        return
    except TenantplanError as error:
        yield _failed("main", "survey", error)
        return
    scene = FleetView(fleet, live)
    yield from _brought(live)
    for lines in _groups(scene, desired, rehearsal):
        yield from _guarded(lines)


def _groups(scene: FleetView, desired: Desired, rehearsal: bool) -> Iterator[Callable[[], Iterator[Check]]]:
    fleet, live = scene.fleet, scene.live
    yield lambda: readiness.keys(scene, fleet.vault)
    yield lambda: readiness.variables(fleet, desired, with_secrets(desired, live.state, live.main.hash_key, fleet)[1])
    yield lambda: supplies.lengths(fleet, desired)
    yield lambda: readiness.migrations(scene)
    yield lambda: extensions(scene)
    yield lambda: _rehearsal(scene, rehearsal)
    yield lambda: schema_checks(scene)
    yield lambda: store_checks(scene, desired, write=rehearsal)
    yield lambda: readiness.pooling(scene)
    yield lambda: supplies.pools(scene)
    yield lambda: readiness.log(scene)
    yield lambda: readiness.runs(scene, activity(scene))


def _guarded(lines: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The lines; what keeps them from being known is a line of its own."""
    try:
        yield from lines()
    except TenantplanError as error:
        yield _failed("main", "cannot be known", error)
    except psycopg.Error as error:
        yield Check("main", "cannot be known", "fail", describe(error), "see the server's log")


def _brought(live: Survey) -> Iterator[Check]:
    """Databases that organizations brought."""
    for finding in live.unreachable:
        if has_placement(finding.address):
            yield Check(finding.address, "database", "fail", finding.message, "tenantplan db test shows more")
    for holder, checks in live.unfit.items():
        if holder not in live.unplannable:
            yield from (replace(check, subject=holder) for check in checks)


def _rehearsal(scene: FleetView, wanted: bool) -> Iterator[Check]:
    paths = pending(scene)
    if not paths:
        yield passed("migrations", NAME, "nothing is pending")
    elif not wanted:
        yield Check("migrations", NAME, "warn", "skipped", "leave out --skip-rehearsal before you deploy")
    else:
        dropped = collect(scene)
        if dropped:
            yield passed("migrations", NAME, f"dropped what an interrupted doctor had left: {', '.join(dropped)}")
        yield from rehearse(scene, paths)


def _failed(subject: str, name: str, error: TenantplanError) -> Check:
    return Check(subject, name, "fail", f"{error.where}: {error.message}" if error.where else error.message, error.hint)


_NAMED = 3


_ADVICE = (
    "tenantplan drift shows it all; tenantplan drift --repair --out plan.json plans the way back where that is safe,"
    " and says what is left"
)


def schema_checks(scene: FleetView) -> Iterator[Check]:
    """A line for each database that differs, or one for all; what the fleet file ignores counts for nothing."""
    items, lost = schema_drift(scene)
    today = scene.live.now.date()
    found: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if not any(rule.covers(item.address, item.name, today) for rule in scene.settings.ignores):
            found[item.address].append(item.name)
    for address, names in found.items():
        names.sort(key=lambda name: not name.startswith(("table ", "revision")))  # which says most
        yield Check(address, "schema", "fail", f"differs from its revision: {some(names, _NAMED)}", _ADVICE)
    for finding in lost:
        yield Check(finding.address, "schema", "fail", finding.message, "tenantplan db test shows more")
    count = len(tenant_schemas(scene.live.state))
    if count and not found and not lost:
        said = f"each of {count} is" if count > 1 else "the only one is"
        yield passed("databases", "schema", f"{said} as its revision makes it")
