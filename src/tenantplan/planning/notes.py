"""Facts that a reviewer should see although nothing is planned for them: secrets that are due to be rotated."""

from __future__ import annotations

from datetime import datetime, timedelta

from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, Secret, State


def notes(desired: State, live: State, now: datetime) -> tuple[Finding, ...]:
    """A note for each secret that was last changed longer ago than its period, unless this plan changes it."""
    found = []
    for address, have in live.items():
        want = desired.get(address)
        changed = have.observed.get("rotated_at") if isinstance(have, Row) else None
        if not changed or not isinstance(want, Row) or not isinstance(have, Row):
            continue
        due = datetime.fromisoformat(changed) + timedelta(days=want.values["rotate_every_days"])
        secret = want.values.get("value")
        if due <= now and secret == have.values.get("value"):
            where = secret.reference if isinstance(secret, Secret) else None
            found.append(Finding(address, "rotation-due", _due(due, want.values["rotate_every_days"], where)))
    return tuple(sorted(found, key=lambda finding: finding.address))


def _due(due: datetime, days: int, reference: str | None) -> str:
    return f"due to be rotated since {due:%Y-%m-%d} (every {days} days): give {reference} a new value and apply"
