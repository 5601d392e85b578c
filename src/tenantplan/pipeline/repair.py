"""Plans the repair of drifted schemas, where nothing can be lost by it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

from tenantplan.fleet.opening import Fleet, open_fleet
from tenantplan.live.survey import SurveyRequest, survey
from tenantplan.live.tenant_schemas import Inside, look_inside, tenant_schemas
from tenantplan.model import address as addresses
from tenantplan.model.drift import Ignore
from tenantplan.model.encode import digest, to_json
from tenantplan.model.encode import fingerprint as print_of
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.pipeline.draft import draft
from tenantplan.planning.live_labels import live_labels
from tenantplan.planning.windows import restricted
from tenantplan.schema import fingerprint
from tenantplan.schema.repair import Repair, find_repair
from tenantplan.settings.settings import Settings


def repair_plan(fleet: Fleet, live: Survey, only: Collection[str] | None = None) -> Plan:
    """One operation for each database that somebody changed or whose stamp is wrong, and a note for all that is left to a person.

    Looks into every database, or into those of the schemas that `only` names.
    """
    usable = [s for s in tenant_schemas(live.state) if s.server in fleet.connector.servers]
    usable = [s for s in usable if only is None or addresses.schema(s.server, s.database) in only]
    seen, lost = look_inside(fleet, live, usable)
    settings, now = fleet.settings, live.now
    operations: list[Operation] = []
    notes: list[Finding] = list(lost)
    for inside in seen:
        made, left = _repaired(inside, settings.ignores, now.date())
        operations += [replace(made, scope=addresses.scope(made.address, inside.schema, live.state))] if made else []
        notes += [Finding(inside.address, "left", f"{name}: {why}") for name, why in left]
    had = live_labels(operations, live.state)
    permitted, deferred = restricted(operations, had, settings.rules, now)
    keys = settings.rules.keys
    labels = {o.scope: {k: v for k, v in had.get(o.scope, {}).items() if k in keys} for o in permitted}
    labels = {scope: found for scope, found in labels.items() if found}
    plan = draft(fleet, live, permitted)
    return replace(plan, notes=(*plan.notes, *notes), deferred=deferred, labels=labels)


def _repaired(inside: Inside, ignores: Sequence[Ignore], today: date) -> tuple[Operation | None, list[tuple[str, str]]]:
    """The repair of one database, None where there is nothing to do; and what is left, with why."""
    ignored = {
        name: f"ignored until {ignore.until}: {ignore.reason}"
        for name, _, _ in inside.differences
        for ignore in ignores
        if ignore.covers(inside.address, name, today)
    }
    if inside.mark is not None:
        return None, [("schema", "a migration stopped halfway: finish it first, with tenantplan apply")]
    found = find_repair(inside.differences, inside.wanted, ignored)
    left = [*found.left, *found.notes]
    right_stamp = inside.revision == inside.schema.revision and inside.schema.halfway is None
    whole = not found.left and inside.wanted is not None
    if not found.statements and right_stamp and not (whole and inside.schema.changed_by_others):
        return None, left
    return _operation(inside, found, whole), left


def _operation(inside: Inside, found: Repair, whole: bool) -> Operation:
    """`whole`: nothing is left that differs, so that the sentinel's mark can go."""
    schema = inside.schema
    after = replace(schema, revision=inside.revision, halfway=inside.mark)
    objects = dict(inside.objects or {})
    for name in found.repaired:
        wanted = (inside.wanted or {}).get(name)
        objects.pop(name, None)
        if wanted is not None:
            objects[name] = wanted
    prints = (inside.fingerprint, fingerprint.digest(objects) if found.repaired else inside.fingerprint)
    what = [f"repair {len(found.repaired)} object{'s' if len(found.repaired) != 1 else ''}"] if found.repaired else []
    what += ["correct its stamp"] if after != schema else []
    what += [] if what else ["clear the sentinel's mark"]
    identity = ["repair", schema.repaired, inside.address, to_json(schema), to_json(after), list(prints)]
    return Operation(
        id=digest([*identity, list(found.statements)])[:16],
        address=inside.address,
        action="update",
        risk="risky" if found.statements else "safe",
        scope="",
        transactional=False,
        summary=" and ".join(what),
        before=schema,
        after=after,
        fingerprint=print_of(schema),
        statements=found.statements,
        schema=(*prints, whole),
    )


def repair(settings: Settings) -> Plan:
    """Looks into every database and returns the Plan that brings their schemas back where that is safe. Writes nothing."""
    with open_fleet(settings) as fleet:
        return repair_plan(fleet, survey(fleet, SurveyRequest((), follow=True)))
