"""Connection strings that a plan would save, and that do not pass their test: named before anybody saves them (C2)."""

from __future__ import annotations

from tenantplan.errors import TenantplanError
from tenantplan.live.brought import HOST, said, told
from tenantplan.model.desired import Desired
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, Secret
from tenantplan.secrets.keyed import keyed_hash
from tenantplan.secrets.references import resolve
from tenantplan.settings.settings import Settings


def unfit_connections(desired: Desired, live: Survey, settings: Settings) -> tuple[list[Finding], list[Finding]]:
    """Blockers for connection strings, new or changed, of databases that were reached and cannot be used; notes for those that
    can, less well than they might. One that is in use already and does not fit any more stops its organization only, but for
    one on a host that the fleet does not connect to."""
    blockers: list[Finding] = []
    notes: list[Finding] = []
    for holder, checks in sorted(live.unfit.items()):
        place = desired.placements.get(holder)
        if place is None or not place.url or holder not in desired.state:
            continue
        hosts = [Finding(holder, HOST, told(check)) for check in checks if check.name == HOST]
        blockers += hosts  # in use already or not: nothing is sent there
        if hosts or not _new(holder, place.url, live, settings):
            continue
        failed = [check for check in checks if check.status == "fail"]
        if failed:
            blockers.append(Finding(holder, "connection", "; ".join(said(check) for check in failed)))
        else:
            notes += [Finding(holder, "connection", said(check)) for check in checks if check.name == "TLS"]
    return blockers, notes


def _new(holder: str, reference: str, live: Survey, settings: Settings) -> bool:
    """Whether a connection string is not the one that is in use; where nothing is stored of it, its reference tells."""
    row = live.state.get(holder)
    if not isinstance(row, Row) or row.values.get("database_url") != reference:
        return True
    stored = row.values.get("database_connection")
    if not isinstance(stored, Secret) or stored.keyed is None or live.main.hash_key is None:
        return False
    try:
        return keyed_hash(live.main.hash_key, resolve(reference, settings.root)) != stored.keyed
    except TenantplanError:
        return False
