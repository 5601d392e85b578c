"""Generated secrets of rows that get a new value: those asked for by address, and those that are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tenantplan.errors import UsageError
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Row, Secret, State
from tenantplan.model.rowtype import DELIVERED, ON_ITS_WAY
from tenantplan.planning.logins import due_since


def secret_changes(desired: Desired, live: State, names: frozenset[str], due: bool, now: datetime) -> Iterator[Change]:
    """A change for each; the row is else as it is. UsageError for one that has not been applied as it is declared."""
    for address in sorted(desired.state):
        want, have = desired.state[address], live.get(address)
        fresh = generated(want)
        if not fresh or not isinstance(want, Row):
            continue
        there = isinstance(have, Row) and have.managed and have.retired_at is None and _is_generated(have, fresh)
        overdue = due and there and isinstance(have, Row) and _due(want, have, now)
        if address not in names and not overdue:
            continue
        if not there or not isinstance(have, Row):
            raise UsageError(
                f"{address} has not been applied as declared: there is nothing to rotate yet",
                hint="tenantplan apply makes its first value",
            )
        delivered = {f"{column}{DELIVERED}": secret.target for column, secret in fresh.items()}
        yield Change(address, have, replace(have, values={**have.values, **fresh, **delivered}))


def generated(row: object) -> dict[str, Secret]:
    """The generated secrets of a declared row, as they are to be made anew."""
    values = row.values if isinstance(row, Row) else {}
    found = {column: value for column, value in values.items() if isinstance(value, Secret) and value.target}
    return {column: Secret(value.reference) for column, value in found.items()}


def _is_generated(have: Row, fresh: dict[str, Secret]) -> bool:
    """Whether all of it has been delivered where it is to go, or was on its way there when a run was interrupted."""
    return all(
        have.values.get(column + DELIVERED) in (secret.target, f"{ON_ITS_WAY}{secret.target}")
        for column, secret in fresh.items()
    )


def _due(want: Row, have: Row, now: datetime) -> bool:
    since = due_since(want, have)
    return since is not None and since <= now
