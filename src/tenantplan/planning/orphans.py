"""What is live and what no document speaks of: told, and left alone."""

from __future__ import annotations

from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.moment import shown_day
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, State, of_type, one
from tenantplan.planning.former_objects import is_former_login


def orphans(desired: Desired, live: State) -> tuple[Finding, ...]:
    """A finding for each that nothing else speaks for, by address."""
    known = desired.state.keys() | desired.deleted
    missing = {
        address: resource
        for address, resource in live.items()
        if address not in known and resource.managed and not isinstance(resource, Schema)
    }
    emptied = {database.holder for database in of_type(missing, Database).values()}
    found = []
    for address, resource in missing.items():
        role = one(resource, Role)
        if role is not None and (role.holder is None or role.holder in emptied):
            continue  # a group is shared, and of a login its database speaks
        parents = {addresses.document(address), addresses.owner(address, resource)} - {address}
        if not parents & (missing.keys() | desired.deleted):
            found.append(Finding(address, "orphan", _message(resource, desired)))
    return tuple(sorted(found, key=lambda finding: finding.address))


def _message(resource: Resource, desired: Desired) -> str:
    if is_former_login(resource, desired):
        return "a login that is not declared: closed and left alone; DROP ROLE removes it"
    if resource.retired_at:
        return f"deleted {shown_day(resource.retired_at)}, kept until its grace period ends"
    match resource:
        case Database():  # no document stands for it
            return _DROPPED_BY_HAND.format("DROP DATABASE")
        case Role():
            return _DROPPED_BY_HAND.format("DROP ROLE")
        case Row() | Schema() | Package():
            return "live but not declared: left alone (state: deleted would remove it)"
        case _:
            assert_never(resource)


_DROPPED_BY_HAND = "live but not declared: left alone; {} removes it, once nothing in it is needed"
