"""Facts that a reviewer should see although nothing is planned for them: secrets that are due to be rotated."""

from __future__ import annotations

from datetime import datetime, timedelta

from tenantplan.model.moment import after
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, Secret, State


def notes(desired: State, live: State, now: datetime) -> tuple[Finding, ...]:
    """A note for each secret that was last changed longer ago than its period, unless this plan changes it."""
    found = []
    for address, have in live.items():
        want = desired.get(address)
        if not isinstance(want, Row) or not isinstance(have, Row):
            continue
        due = due_since(want, have)
        if due is None:
            continue
        secret = want.values.get("value")
        if due <= now and secret == have.values.get("value"):
            where = secret.reference if isinstance(secret, Secret) else None
            generated = isinstance(secret, Secret) and secret.target is not None
            do = f"tenantplan credentials rotate {address}" if generated else f"give {where} a new value and apply"
            found.append(Finding(address, "rotation-due", _due(due, want.values["rotate_every_days"], do)))
    return tuple(sorted(found, key=lambda finding: finding.address))


def due_since(want: Row, have: Row) -> datetime | None:
    """When a secret has had its value for as long as it is declared to keep one; None for what has no period."""
    changed = have.observed.get("rotated_at")
    return after(changed, timedelta(days=want.values["rotate_every_days"])) if changed else None


def _due(due: datetime, days: int, do: str) -> str:
    return f"due to be rotated since {due:%Y-%m-%d} (every {days} days): {do}"
