"""Logins of organizations that stay suspended although no document says so: what is closed of them is not opened. PURE.

Logins follow the document, and an application's own suspension closes none. But where they are closed, and the row stays suspended
after a restore or after a line that goes, the default of the document would give back what only the value itself gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Database, Ref, Resource, Role, Row, State


def kept_closed(desired: Desired, live: State) -> Desired:
    """The desired state, in which closed logins stay so; `live` is under the names that the manifest's renames give it."""
    stays = {a for a, want in desired.state.items() if _stays_suspended(want, live.get(a))}
    if not stays:
        return desired
    logins: dict[str, list[bool]] = {}
    for address, want in desired.state.items():
        if isinstance(want, Role) and want.login and isinstance(have := live.get(address), Role):
            logins.setdefault(_holder(want), []).append(have.login)
    shut = {h for h, found in logins.items() if not any(found) and _organization(h, desired.state) in stays}
    return replace(desired, state={a: _shut(want, shut) for a, want in desired.state.items()}) if shut else desired


def _stays_suspended(want: Resource, have: Resource | None) -> bool:
    if (
        not isinstance(want, Row)
        or want.table != "organizations"
        or not isinstance(have, Row)
        or "state" in want.values
    ):
        return False
    left = have.values.get("state") if have.retired_at is None else want.initial.get("state")
    return left == "suspended"


def _holder(resource: Role | Database) -> str:
    return addresses.document(resource.holder or "")


def _organization(holder: str, state: Mapping[str, Resource]) -> str:
    row = state.get(holder)
    above = row.values.get("organization_id") if isinstance(row, Row) else None
    return above.address if isinstance(above, Ref) else holder


def _shut(want: Resource, holders: set[str]) -> Resource:
    if not isinstance(want, Role | Database) or _holder(want) not in holders:
        return want
    return replace(want, login=False) if isinstance(want, Role) else replace(want, connect=())
