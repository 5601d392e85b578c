"""Desired against live: Changes, orphans and conflicts. Compares declared fields only; absence never deletes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.finding_rules import UNMANAGED
from tenantplan.model.plan import Finding
from tenantplan.model.resource import (
    Database,
    Package,
    Ref,
    Resource,
    Role,
    Row,
    Schema,
    State,
    of_type,
    server_object,
)
from tenantplan.model.rowtype import Tables
from tenantplan.planning.comparable import comparable, expires, lingers
from tenantplan.planning.deletions import deletions
from tenantplan.planning.delivered_again import undelivered
from tenantplan.planning.former_objects import former_objects
from tenantplan.planning.orphans import orphans
from tenantplan.planning.refusals import refusals
from tenantplan.tables import BUILTIN


@dataclass(frozen=True)
class Difference:
    """What diff found: changes to make, orphans left alone, conflicts that stop the plan, and `unadopted`: what was declared
    and exists already as the application's, which is left alone, with all that belongs to it."""

    changes: tuple[Change, ...]
    orphans: tuple[Finding, ...]
    conflicts: tuple[Finding, ...]
    unadopted: tuple[Finding, ...] = ()


def diff(
    desired: Desired,
    live: State,
    sources: Mapping[str, str],
    *,
    now: datetime,
    grace: timedelta,
    left: Mapping[str, Finding] | None = None,
) -> Difference:
    """The difference of two states. `diff(d, s, {})` is empty when `s` holds what `d` declares.

    `live` is under the names that the renames give it, `sources` are the old addresses of what moved (see under_new_names).
    `now` and `grace` decide whether what was deleted long enough ago is purged. `left` are documents to leave alone, with all
    that is nested in them, since the application deleted what they declare.
    """
    aside = _unadopted(desired, live)
    alone = left or {}
    refused = {a: finding for a, finding in refusals(desired, live, sources, grace).items() if a not in alone}
    without = {*aside, *refused, *alone}
    changes: list[Change] = []
    conflicts: list[Finding] = [*refused.values()]
    for address, want in desired.state.items():
        if address in aside or addresses.owner(address, want) in without:
            continue
        have = live.get(address)
        if conflict := _conflict(address, have, want, desired):
            conflicts.append(conflict)
        elif change := _change(address, have, want, sources):
            changes.append(change)
    changes.extend(former_objects(desired, live, sources, without))
    gone = [c for c in deletions(desired, live, now, grace) if _held(c, desired) not in refused]
    changes.extend(replace(change, renamed_from=sources.get(change.address)) for change in gone)
    changes.extend(_lingering(desired, live, {change.address for change in changes}))
    return Difference(tuple(changes), orphans(desired, live), tuple(conflicts), (*aside.values(), *alone.values()))


def _change(address: str, have: Resource | None, want: Resource, sources: Mapping[str, str]) -> Change | None:
    """What makes a live resource the declared one; None: nothing, since it is that."""
    before = None if have is None else comparable(have, want)
    if have is not None and before == want and have.managed and not expires(have, want):
        return None
    adopt = have is not None and not have.managed
    return Change(address, before, want, renamed_from=sources.get(address), adopt=adopt, restore=_comes_back(have))


def _comes_back(have: Resource | None) -> bool:
    """Whether what is declared was deleted and kept. What the application deleted comes back where it is adopted as well, and is
    left alone else."""
    match have:
        case Row():
            return have.retired_at is not None or ("deleted_at" in have.observed and not have.managed)
        case Role() | Database():
            return have.retired_at is not None
        case Schema() | Package() | None:
            return False
        case _:
            assert_never(have)


def _held(change: Change, desired: Desired) -> str:
    """The document that a change is about, under its new name."""
    return addresses.renamed(addresses.owner(change.address, change.before), desired.renames)


def _unadopted(desired: Desired, live: State) -> dict[str, Finding]:
    """What is left alone: rows that the application made and nobody adopted, and what is nested in them."""
    found: dict[str, Finding] = {}
    theirs = {a: row for a, row in of_type(live, Row).items() if row.manager is None and not row.managed}
    for address in theirs:
        if address in desired.state and addresses.document(address) not in desired.adopted:
            found[address] = Finding(address, UNMANAGED, _LEFT_ALONE)
    for address in desired.gone:
        if address in theirs:
            found[address] = Finding(address, UNMANAGED, _NOT_DELETED)
    for address in desired.state:
        above = addresses.document(address)
        if above != address and above in found:
            found[address] = Finding(address, UNMANAGED, f"left alone, since {above} is the application's")
    return found


_NOT_DELETED = "is declared as deleted, but the application created it: left alone"
_LEFT_ALONE = (
    "exists already, created by the application: left alone. metadata.adopt: true in its document would take it over"
)


def _conflict(address: str, have: Resource | None, want: Resource, desired: Desired) -> Finding | None:
    """Why something declared cannot be brought about although nothing is known to be wrong with the YAML."""
    if have is None:
        return None
    if not have.managed:
        return _unmanaged(address, have)
    match have, want:
        case Row(), Row():
            return _fixed(address, have, want, desired.tables)
        case Role() | Database(), Role() | Database():
            return _taken(address, have.holder) if _held_by_another(have, want, desired.renames) else None
        case Package(), Package():
            return _republished(address, have, want)
        case _, Row() | Role() | Database() | Schema() | Package():
            return None
        case _:
            assert_never(want)


def _republished(address: str, have: Package, want: Package) -> Finding | None:
    if have.sha256 == want.sha256:
        return None
    message = (
        f"was published with another file (SHA-256 {have.sha256[:12]}…, now {want.sha256[:12]}…):"
        " a published version never changes. Give the changed file a new version"
    )
    return Finding(address, "changed-package", message)


def _fixed(address: str, have: Row, want: Row, tables: Tables) -> Finding | None:
    for column in tables[want.table].fixed:
        if have.values.get(column) != want.values.get(column):
            had, wanted = have.values.get(column), want.values.get(column)
            message = f"has {column} {had} permanently and cannot get {wanted}: give that a document of its own"
            return Finding(address, "fixed", message)
    return None


def _lingering(desired: Desired, live: State, changed: Set[str]) -> Iterator[Change]:
    """Sessions of roles that are closed for good, and that nothing else is planned for."""
    for address, have in live.items():
        if address not in desired.state and address not in changed and have.managed and lingers(have, have):
            yield Change(address, have, have)


def under_new_names(live: State, renames: Mapping[str, str]) -> tuple[State, dict[str, str]]:
    """Live under the names that `renames` (old address -> new) gives it, and the old address of each that moved.

    A rename whose old name is gone, or whose new name is taken, has no effect.
    """
    wanted = {old: new for old, new in renames.items() if old in live and new not in live}
    if not wanted:
        return live, {}
    moved: State = {}
    sources: dict[str, str] = {}
    for address, resource in live.items():
        new = addresses.renamed(address, wanted)
        moved[new] = undelivered(_follow(resource, wanted)) if new != address else _follow(resource, wanted)
        if address in wanted:
            sources[new] = address
    return moved, sources


def applicable_renames(live: State, renames: Mapping[str, str]) -> dict[str, str]:
    """The renames of a manifest (old address -> new) without those of databases and roles that have become those of somebody who
    has got the former name since."""
    concerned = {*renames, *renames.values()}
    return {old: new for old, new in renames.items() if _holder(old, live.get(old)) in concerned}


def _holder(address: str, resource: Resource | None) -> str:
    """Whose a database or role is, by its own word; anything else, and what does not say it, is its own."""
    own = server_object(resource)
    return addresses.document(own.holder) if own is not None and own.holder else address


def _follow(resource: Resource, renames: Mapping[str, str]) -> Resource:
    """The resource with its references under their new names: PostgreSQL's own follow a rename by themselves."""
    match resource:
        case Row():
            values = {
                column: Ref(addresses.renamed(value.address, renames)) if isinstance(value, Ref) else value
                for column, value in resource.values.items()
            }
            return replace(resource, values=values)
        case Database():
            named = (resource.owner, *(resource.connect or ()))
            roles = {name: _role_name(resource.server, name, renames) for name in named if name}
            connect = None if resource.connect is None else tuple(sorted(roles[name] for name in resource.connect))
            return replace(resource, owner=roles.get(resource.owner or ""), connect=connect)
        case Role() | Schema() | Package():
            return resource
        case _:
            assert_never(resource)


def _role_name(server: str, name: str, renames: Mapping[str, str]) -> str:
    return addresses.last_segment(renames.get(addresses.role(server, name), name))


def _unmanaged(address: str, have: Resource) -> Finding | None:
    """What another fleet or a person made; None: the application did, which a note tells."""
    match have:
        case Row() if have.manager is None:
            return None
        case Row() if have.table in BUILTIN:
            owner = f"by this fleet, but by {have.manager}"
        case Row() | Role() | Database() | Schema() | Package():
            owner = "by this fleet"  # of a table that is not ours, what stands in the column may be anything
        case _:
            assert_never(have)
    return Finding(
        address,
        UNMANAGED,
        f"exists already and is not managed {owner}; it is left alone. Rename the declared one, or remove the existing one",
    )


def _held_by_another(have: Role | Database, want: Role | Database, renames: Mapping[str, str]) -> bool:
    """Whether a database or role serves somebody else than it is declared for."""
    return have.holder is not None and addresses.renamed(have.holder, renames) != want.holder


def _taken(address: str, holder: str | None) -> Finding:
    return Finding(
        address,
        "taken",
        f"belongs to {holder}, with its data; it is left alone. Choose another database.name; what {holder} has left at a former"
        " place can be dropped by hand, once nothing in it is needed",
    )
