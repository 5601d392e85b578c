"""Generated secrets of rows that get a new value: those asked for by address, and those that are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tenantplan.errors import UsageError
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Resource, Row, Secret, State, of_type, one
from tenantplan.model.rowtype import DELIVERED, ON_ITS_WAY
from tenantplan.planning.logins import due_since


def secret_changes(desired: Desired, live: State, names: frozenset[str], due: bool, now: datetime) -> Iterator[Change]:
    """A change for each; the row is else as it is. UsageError for one that has not been applied as it is declared."""
    for address, want in sorted(of_type(desired.state, Row).items()):
        fresh = generated(want)
        if not fresh:
            continue
        have = _in_use(one(live.get(address), Row), fresh)
        overdue = due and have is not None and _due(want, have, now)
        if address not in names and not overdue:
            continue
        if have is None:
            raise UsageError(
                f"{address} has not been applied as declared: there is nothing to rotate yet",
                hint="tenantplan apply makes its first value",
            )
        delivered = {f"{column}{DELIVERED}": secret.target for column, secret in fresh.items()}
        yield Change(address, have, replace(have, values={**have.values, **fresh, **delivered}))


def generated(resource: Resource | None) -> dict[str, Secret]:
    """The generated secrets of a declared row, as they are to be made anew."""
    row = one(resource, Row)
    if row is None:
        return {}
    found = {column: value for column, value in row.values.items() if isinstance(value, Secret) and value.target}
    return {column: Secret(value.reference) for column, value in found.items()}


def _in_use(have: Row | None, fresh: dict[str, Secret]) -> Row | None:
    """The live row if all of it has been delivered where it is to go, or was on its way there when a run was interrupted."""
    if have is None or not have.managed or have.retired_at is not None:
        return None
    delivered = all(
        have.values.get(column + DELIVERED) in (secret.target, f"{ON_ITS_WAY}{secret.target}")
        for column, secret in fresh.items()
    )
    return have if delivered else None


def _due(want: Row, have: Row, now: datetime) -> bool:
    since = due_since(want, have)
    return since is not None and since <= now
