"""What a role could do besides what tenantplan needs, and what it costs that it cannot."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.live.session_checks import Facts
from tenantplan.model.check import Check, passed

# fact -> what the right is called, and what there is not without it
_COSTS = {
    "superuser": (
        "event triggers",
        "no sentinel in new databases: what others change in a schema is found by drift and plan --refresh deep only",
    ),
    "reads_authid": (
        "pg_authid",
        "a password that somebody changed by hand is found by logging in, not by comparing what is stored",
    ),
    "signals": (
        "pg_signal_backend",
        "sessions of roles that are not the fleet's are not ended: a database that one uses is not renamed or dropped",
    ),
    "reads_activity": (
        "pg_read_all_stats",
        "of a lock that another role holds, unlock and error messages say little more than its process",
    ),
}


def optional_rights(subject: str, facts: Facts) -> Iterator[Check]:
    """A line for each right that is not needed; lacking one is fine as long as somebody knows what it costs."""
    for fact, (name, cost) in _COSTS.items():
        yield passed(subject, name, "has it" if facts[fact] else f"not needed, and the role lacks it: {cost}")
