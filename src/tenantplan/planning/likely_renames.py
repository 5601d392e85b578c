"""Renames that nobody declared, or that name nothing: what a reviewer should know before something new and empty is made. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from tenantplan.documents.suggest import did_you_mean
from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Row, State, afters, of_type

LIKELY, UNKNOWN = "likely-rename", "renamed-from-nothing"
_CONTACT = ("contact_email", "company_name", "phone", "address")


def undeclared_renames(operations: Iterable[Operation], desired: Desired, live: State) -> Iterator[Finding]:
    """A note for each organization or tenant to be made that looks like one that is live and not declared, with the line that
    would rename it; and for each document whose `renamedFrom` names nothing that is there.

    `live` is under the names that the renames give it.
    """
    created = {o.address: row for o, row in afters(operations, Row) if o.action == "create"}
    orphans = {a: row for a, row in of_type(live, Row).items() if _left(a, row, desired)}
    named = {new: old for old, new in desired.renames.items() if new in created}
    members = _members(desired.state) | _members(live) if orphans else {}
    for address, row in created.items():
        found = _closest(address, row, orphans, members) if address not in named else None
        if found is not None:
            yield Finding(address, LIKELY, _likely(address, *found, desired.origins))
        old = named.get(address)
        if old is not None and old not in live and addresses.document(address) == address:
            yield Finding(address, UNKNOWN, _nothing(old, address, orphans))


def _left(address: str, row: Row, desired: Desired) -> bool:
    """Whether a row is live, the fleet's, and what no document speaks of."""
    known = address in desired.state or address in desired.deleted or address in desired.renames
    return row.managed and row.retired_at is None and "database_mode" in row.values and not known


def _closest(
    address: str, row: Row, orphans: Mapping[str, Row], members: Mapping[str, Collection[str]]
) -> tuple[str, list[str]] | None:
    """The orphan that has most in common with a new row, and what that is; None: nothing."""
    found = [
        (other, common)
        for other, had in sorted(orphans.items())
        if had.table == row.table
        if (common := _in_common(row, had, members.get(address, ()), members.get(other, ())))
    ]
    return max(found, key=lambda item: len(item[1])) if found else None


def _in_common(row: Row, had: Row, members: Collection[str], others: Collection[str]) -> list[str]:
    values = {**row.initial, **row.values}
    same = {c for c, value in values.items() if value and value == had.values.get(c)}
    found = {
        "display name": "display_name" in same,
        "contact": bool(same.intersection(_CONTACT)),
        "members": bool(members) and members == others,
        "labels": "labels" in same,
    }
    common = [name for name, alike in found.items() if alike]
    return [] if common == ["labels"] else common  # such as a region, which many have


def _members(state: State) -> dict[str, set[str]]:
    """Organization -> its members."""
    found: dict[str, set[str]] = {}
    for address in state:
        nested = addresses.nested(address)
        if addresses.kind(nested) == "member":
            found.setdefault(addresses.document(address), set()).add(addresses.name(nested))
    return found


def _likely(address: str, other: str, common: list[str], origins: Mapping[str, str]) -> str:
    kind, name = addresses.kind(other), addresses.name(other)
    where = f" of {origins[address]}" if address in origins else ""
    return (
        f"looks like {other}, which no document declares (the same {' and '.join(common)}). If it is that {kind} under a new"
        f" name, add `renamedFrom: {name}` to the metadata{where}; as it is, an empty one is made beside it"
    )


def _nothing(old: str, address: str, orphans: Mapping[str, Row]) -> str:
    kind, name = addresses.kind(old), addresses.name(old)
    others = [addresses.name(a) for a in orphans if addresses.kind(a) == kind]
    hint = did_you_mean(name, others)
    return f"says renamedFrom: {name}, and no {kind} of this fleet is called that: a new, empty one is made." + (
        f" {hint[0].upper()}{hint[1:]}" if hint else " If nothing was to be renamed, remove the line"
    )
