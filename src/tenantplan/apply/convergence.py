"""Whether what is live now is what an operation was to bring about."""

from __future__ import annotations

from collections.abc import Sequence

from tenantplan.apply.effects.table import effect
from tenantplan.apply.work import Work
from tenantplan.model.report import Outcome
from tenantplan.planning.comparable import comparable


def not_as_planned(work: Work, outcomes: Sequence[Outcome]) -> list[str]:
    """Addresses that a done operation left different from what it was to bring about: an error, and empty in a sound run."""
    if not outcomes:
        return []
    state = work.read_live().state
    wrong = []
    last = {outcome.operation.address: outcome for outcome in outcomes}  # a row may be made in two steps
    for outcome in last.values():
        operation = outcome.operation
        if outcome.status != "done" or operation.after is None:
            continue
        have = state.get(operation.address)
        if have is None or not effect(operation).converged(operation.after, comparable(have, operation.after)):
            wrong.append(operation.address)
    return wrong
