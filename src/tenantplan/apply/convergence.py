"""Whether what is live now is what an operation was to bring about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tenantplan.apply.work import Work
from tenantplan.model.report import Outcome
from tenantplan.model.resource import Resource, Role, Row, Secret
from tenantplan.planning.comparable import comparable


def not_as_planned(work: Work, outcomes: Sequence[Outcome]) -> list[str]:
    """Addresses that a done operation left different from what it was to bring about: an error, and empty in a sound run."""
    if not outcomes:
        return []
    state = work.look().state
    wrong = []
    last = {outcome.operation.address: outcome for outcome in outcomes}  # a row may be made in two steps
    for outcome in last.values():
        operation = outcome.operation
        if outcome.status != "done" or operation.after is None:
            continue
        have = state.get(operation.address)
        if have is None or not as_planned(operation.after, comparable(have, operation.after)):
            wrong.append(operation.address)
    return wrong


def as_planned(want: Resource, have: Resource) -> bool:
    """Equal, a secret that had no keyed hash yet counting as equal to any."""
    if isinstance(want, Role) and isinstance(have, Role) and _unhashed(want.password):
        return replace(want, password=None) == replace(have, password=None)
    if isinstance(want, Row) and isinstance(have, Row):
        open_columns = {c for c, v in want.values.items() if isinstance(v, Secret) and v.keyed is None}
        return all(have.values.get(c) == v for c, v in want.values.items() if c not in open_columns)
    return want == have


def _unhashed(secret: Secret | None) -> bool:
    return secret is not None and secret.keyed is None
