"""Roles and databases that an organization or tenant has left, by a change of its mode, server, database or name. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Resource, Role, State, one, server_object
from tenantplan.planning.comparable import lingers


def former_objects(
    desired: Desired, live: State, sources: Mapping[str, str], without: Collection[str]
) -> Iterator[Change]:
    """What declared organizations and tenants have left: logins of a former mode, server or name, and those that are not asked
    for any more, are closed, and no login may connect to a former database. Both go along with a rename, so that no later
    owner of the old name gets them; nothing drops them. `without` are those that nothing is planned for."""
    for address, resource in live.items():
        have = server_object(resource)
        if address in desired.state or have is None or have.holder is None:
            continue
        holder = addresses.renamed(have.holder, desired.renames)
        if not have.managed or have.retired_at is not None or holder not in desired.state or holder in without:
            continue
        kept = replace(have, name=addresses.last_segment(address), holder=holder).shut()
        if have != kept or lingers(have, kept):
            yield Change(address, have, kept, renamed_from=sources.get(address))


def is_former_login(resource: Resource, desired: Desired) -> bool:
    """Whether it is a role of a declared organization or tenant that does not need it: closed, and left for a person to drop."""
    role = one(resource, Role)
    if role is None or role.holder is None or role.retired_at is not None:
        return False
    return addresses.renamed(role.holder, desired.renames) in desired.state
