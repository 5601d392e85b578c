"""Logins of organizations that stay suspended although no document says so: what is closed of them is not opened. PURE.

Logins follow the document, and an application's own suspension closes none. But where they are closed, and the row stays suspended
after a restore or after a line that goes, the default of the document would give back what only the value itself gives back.
"""

from __future__ import annotations

from dataclasses import replace

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Database, Resource, Role, Row, State, of_type, one, server_object


def kept_closed(desired: Desired, live: State) -> Desired:
    """The desired state, in which closed logins stay so; `live` is under the names that the manifest's renames give it."""
    stays = {a for a, want in desired.state.items() if _stays_suspended(want, live.get(a))}
    if not stays:
        return desired
    logins: dict[str, list[bool]] = {}
    for address, want in of_type(desired.state, Role).items():
        have = one(live.get(address), Role)
        if want.login and have is not None:
            logins.setdefault(_holder(want), []).append(have.login)
    shut = {h for h, found in logins.items() if not any(found) and addresses.organization_of(h, desired.state) in stays}
    return replace(desired, state={a: _shut(want, shut) for a, want in desired.state.items()}) if shut else desired


def _stays_suspended(want: Resource, have: Resource | None) -> bool:
    match have, want:
        case Row(), Row(table="organizations") if "state" not in want.values:
            left = have.values.get("state") if have.retired_at is None else want.initial.get("state")
            return left == "suspended"
        case _:
            return False


def _holder(resource: Role | Database) -> str:
    return addresses.document(resource.holder or "")


def _shut(want: Resource, holders: set[str]) -> Resource:
    own = server_object(want)
    return own.shut() if own is not None and _holder(own) in holders else want
