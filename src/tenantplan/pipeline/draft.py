"""Fields that every plan of a fleet has, whatever it does."""

from __future__ import annotations

from tenantplan import __version__
from tenantplan.desired import declare
from tenantplan.fleet import provenance
from tenantplan.fleet.opening import Fleet
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.live import Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.settings.settings import Settings


def draft(fleet: Fleet, live: Survey, operations: tuple[Operation, ...]) -> Plan:
    """A plan of these operations, for this fleet as it is now."""
    settings = fleet.settings
    return Plan(
        fleet=settings.fleet,
        tool_version=__version__,
        created_at=live.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        base=provenance.base(settings.root),
        target=_target(settings, live),
        config_digest=declare.config_digest(settings, fleet.trees),
        operations=operations,
        unreachable=live.unreachable,
        unfinished=live.main.unfinished,
        notes=at_work(live),
        attempts=live.attempts,
    )


def at_work(live: Survey) -> tuple[Finding, ...]:
    """A note for a running apply: what it has not done yet is in a plan made meanwhile."""
    if live.main.at_work is None:
        return ()
    run, known = live.main.at_work
    said = f"is running {known}: this plan lists what it has not done yet; plan again when it has ended (tenantplan status)"
    return (Finding(addresses.run(run), "at-work", said),)


def _target(settings: Settings, live: Survey) -> dict[str, object]:
    """What a plan is made for: the clusters by their system identifiers, and the main database."""
    main = live.servers[MAIN]
    return {
        "system_identifier": main.system_identifier,
        "main_database": settings.spec.main.database,
        "server": MAIN,
        "host": main.host,
        "port": main.port,
        "embedded": settings.embedded,
        "server_version": main.version,
        "servers": {alias: facts.system_identifier for alias, facts in live.servers.items()},
    }
