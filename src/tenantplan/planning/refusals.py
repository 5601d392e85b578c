"""Documents that a plan does nothing for, since their name would lead to somebody else's data, and what their author can say.

PURE. A deleted organization, tenant or project keeps its row, and its database under another name, until its grace period ends.
Its name alone does not give that back: `metadata.restore` names the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.moment import after, shown_day
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, State, of_type, one, server_object


def refusals(desired: Desired, live: State, sources: Mapping[str, str], grace: timedelta) -> dict[str, Finding]:
    """A blocker for each document that nothing is planned for, by address.

    `live` is under the names that the renames give it, `sources` are the old addresses of what moved.
    """
    found = (
        *_left_objects(desired, live),
        *_tombstones(desired, live, grace),
        *_renames(desired, live, sources, grace),
    )
    return {finding.address: finding for finding in found}


def _renames(desired: Desired, live: State, sources: Mapping[str, str], grace: timedelta) -> Iterator[Finding]:
    for old, new in desired.renames.items():
        there, taken = one(live.get(old), Row), one(live.get(new), Row)
        if there is not None and taken is not None and there.managed and addresses.document(new) == new:
            why = f"{new} exists already" + (f", {_kept(taken, grace)}" if taken.retired_at else "")
            hint = f"give the document another name, or remove renamedFrom if {old} was meant to stay"
            yield Finding(new, "renamed", f"cannot be renamed from {old}: {why}; {hint}")
    for address in sorted(desired.deleted & sources.keys()):
        if addresses.document(address) == address:
            message = (
                f"is renamed from {sources[address]} and deleted in one plan: apply the rename, then set state: deleted"
            )
            yield Finding(address, "renamed", message)


def _tombstones(desired: Desired, live: State, grace: timedelta) -> Iterator[Finding]:
    for address, want in of_type(desired.state, Row).items():
        if addresses.document(address) != address or not _is_customers(want):
            continue
        have, restored = one(live.get(address), Row), desired.restores.get(address)
        if have is None and restored is not None:
            message = f"says restore: {restored}, but there is no such row: remove restore to create a new one"
            yield Finding(address, "restore", message)
        if have is not None and have.managed and have.retired_at is not None and have.id != restored:
            message = (
                f"was {_kept(have, grace)}. To restore it with its data, say metadata: {{ restore: {have.id} }}."
                " To start over, choose another name, or wait until it is purged"
            )
            yield Finding(address, "restore", message)


def _is_customers(row: Row) -> bool:
    """Whether a row is an organization or belongs to one: a release, which is published again, gives nobody another's data."""
    return "database_mode" in row.values or row.home is not None


def _kept(row: Row, grace: timedelta) -> str:
    """When a row was deleted, and how long it is kept."""
    assert row.retired_at is not None
    until = after(row.retired_at, grace)
    kept = (
        f"until {until:%Y-%m-%d}" if until else "permanently: its deletion has no day from which a grace period counts"
    )
    return f"deleted on {shown_day(row.retired_at)} and is kept {kept}"


def _left_objects(desired: Desired, live: State) -> Iterator[Finding]:
    """Databases and roles of somebody deleted whose row is gone: nothing tells that the document of that name is the same."""
    for address in desired.state:
        have = server_object(live.get(address))
        if have is None or have.retired_at is None or have.holder is None:
            continue
        holder = addresses.renamed(have.holder, desired.renames)
        if holder not in live:
            message = f"{address} was left by a deleted {have.holder}, whose row is gone: DROP or rename it by hand"
            yield Finding(holder, "restore", message)
