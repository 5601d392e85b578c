"""Removes from both sides what cannot be planned now because a server or database is out of reach."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import UNREACHABLE
from tenantplan.model.live import Survey
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Resource, Role, Row, Schema, State, of_type
from tenantplan.model.rowtype import Tables


def without_unplannable(desired: Desired, live: Survey) -> tuple[Desired, State]:
    """Both sides without the organizations that cannot be planned now, and without what belongs to them."""
    lost_servers = {addresses.name(f.address) for f in live.unreachable if addresses.kind(f.address) == "server"}
    held = set(live.unplannable)
    held |= {a for a, place in desired.placements.items() if place.server in lost_servers}
    if not held and not lost_servers:
        return desired, live.state
    held |= _along({**live.state, **desired.state}, desired.tables, held)

    def kept(address: str, resource: Resource) -> bool:
        owner = addresses.renamed(addresses.owner(address, resource), desired.renames)
        match resource:
            case Row():
                return not {address, addresses.document(address)} & held
            case Role() | Database() | Schema():
                return owner not in held and resource.server not in lost_servers
            case Package():
                return owner not in held
            case _:
                assert_never(resource)

    state = {a: r for a, r in desired.state.items() if kept(a, r)}
    deleted = frozenset(a for a in desired.deleted if addresses.document(a) not in held)
    return replace(desired, state=state, deleted=deleted), {a: r for a, r in live.state.items() if kept(a, r)}


def not_planned(wanted: Desired, planned: Desired, live: Survey) -> tuple[Finding, ...]:
    """A finding for each declared organization or tenant that was held out and is not named as unreachable itself."""
    named = {finding.address for finding in live.unreachable}
    gone = sorted(a for a in wanted.placements if a in wanted.state and a not in planned.state and a not in named)
    return tuple(Finding(a, UNREACHABLE, "not planned: what it depends on is out of reach") for a in gone)


def _along(state: State, tables: Tables, held: set[str]) -> set[str]:
    """Rows that belong to what is held out, at any distance."""
    belonging: dict[str, list[str]] = {}
    for address, row in of_type(state, Row).items():
        for column, referred in row.references.items():
            if column not in tables[row.table].uses:
                belonging.setdefault(referred, []).append(address)
    found: set[str] = set()
    stack = list(held)
    while stack:
        for address in belonging.get(stack.pop(), ()):
            if address not in found:
                found.add(address)
                stack.append(address)
    return found
