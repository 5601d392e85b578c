"""Logins that a plan cannot close: those of databases that organizations brought."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.model.desired import Desired
from tenantplan.model.plan import STILL_OPEN, Finding
from tenantplan.model.resource import Row, State


def still_open(desired: Desired, live: State) -> Iterator[Finding]:
    """A note for each organization that is suspended, or is to be deleted, and brought its database."""
    for address, want in desired.state.items():
        if isinstance(want, Row) and want.table == "organizations" and want.values.get("state") == "suspended":
            yield from _note(address, want)
    for address in sorted(desired.deleted):
        have = live.get(address)
        if isinstance(have, Row) and have.table == "organizations" and have.managed and have.retired_at is None:
            yield from _note(address, have)


def _note(address: str, row: Row) -> Iterator[Finding]:
    reference = row.values.get("database_url")
    if reference:
        message = f"the login in {reference} stays open: the database is not tenantplan's. Close it there"
        yield Finding(address, STILL_OPEN, message)
