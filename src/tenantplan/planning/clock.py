"""Whether this machine's clock agrees with the main server's, by which everything is decided."""

from __future__ import annotations

from datetime import timedelta

from tenantplan.errors import TenantplanError
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding

UNNOTICED = timedelta(minutes=5)
TOO_FAR = timedelta(days=1)
_HINT = "set this machine's clock (NTP); if the server's is wrong, set that one before anything is deleted by it"


def check_clock(live: Survey) -> list[Finding]:
    """A note when the two clocks are further apart than UNNOTICED. TenantplanError when it is more than TOO_FAR."""
    off = abs(live.skew)
    if off <= UNNOTICED:
        return []
    side = "behind" if live.skew > timedelta() else "ahead of"
    minutes = round(off.total_seconds() / 60)
    message = f"this machine's clock is {minutes} minutes {side} the main server's, {live.now:%Y-%m-%d %H:%M} UTC"
    if off > TOO_FAR:
        raise TenantplanError(f"{message}: grace periods and expiries cannot be judged", hint=_HINT)
    return [Finding("fleet", "clock", f"{message}, which counts for grace periods and expiries: {_HINT}")]
