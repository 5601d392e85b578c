"""Declared deletions: their first steps, and purges of what has outlived its grace period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.change import Change
from tenantplan.model.desired import Desired
from tenantplan.model.moment import after
from tenantplan.model.resource import (
    Database,
    Package,
    Resource,
    Role,
    Row,
    Schema,
    State,
    of_type,
    server_object,
)
from tenantplan.model.rowtype import Tables
from tenantplan.planning.cascades import cascades


def deletions(desired: Desired, live: State, now: datetime, grace: timedelta) -> list[Change]:
    """First steps of declared deletions, and purges of what was retired more than `grace` ago, with all that goes along."""
    changes: dict[str, Change] = {}
    tables = desired.tables
    referring = _referring(live, tables)
    begun = {addresses.owner(a, have) for a, have in live.items() if _is_retired_now(a, have, desired)}
    over = {address for address, have in live.items() if _due(have, now, grace) and address not in begun}
    for address, have in live.items():
        if address in desired.state or not have.managed or isinstance(have, Schema):
            continue
        holder = addresses.owner(address, have)
        declared = address in desired.deleted and not _serves_another(have, desired)
        declared = declared or cascades(have, tables, desired.deleted)
        if (declared and have.retired_at is None) or _is_retired_now(address, have, desired):
            changes[address] = Change(address, have, None, retire=_keeps(have, tables))
        elif address in over and (holder not in live or holder in over):
            kept = [r for child, r in referring.get(address, ()) if _keeps(r, tables) and child not in over]
            if not kept:
                changes[address] = Change(address, have, None)
    for address in [a for a, change in changes.items() if not change.retire]:
        _with_referring(address, referring, desired, changes)
    return list(changes.values())


def _is_retired_now(address: str, have: Resource, desired: Desired) -> bool:
    """Whether it is a database or role that goes the first step along with the document that holds it. Until it has, the
    document's row stays, though it may have been deleted long ago: on another server, that step can have failed."""
    match have:
        case Role() | Database() | Package():
            held = addresses.owner(address, have) in desired.deleted
            return held and have.managed and have.retired_at is None and address not in desired.state
        case Row() | Schema():
            return False
        case _:
            assert_never(have)


def _serves_another(have: Resource, desired: Desired) -> bool:
    """Whether a database or role is somebody's who is not declared as deleted, whatever document says its name."""
    own = server_object(have)
    if own is None or own.holder is None:
        return False
    return addresses.renamed(own.holder, desired.renames) not in desired.deleted


def _referring(live: State, tables: Tables) -> dict[str, list[tuple[str, Row]]]:
    """Managed rows by the address of each row that they are deleted with."""
    found: dict[str, list[tuple[str, Row]]] = {}
    for address, row in of_type(live, Row).items():
        if row.managed:
            for column, referred in row.references.items():
                if column not in tables[row.table].uses:
                    found.setdefault(referred, []).append((address, row))
    return found


def _with_referring(
    address: str, referring: Mapping[str, list[tuple[str, Row]]], desired: Desired, changes: dict[str, Change]
) -> None:
    """Deletes what the main database would delete along with a row: named in the plan, and audited like the rest."""
    for child, row in referring.get(address, ()):
        if child not in changes and child not in desired.state and not _keeps(row, desired.tables):
            changes[child] = Change(child, row, None)
            _with_referring(child, referring, desired, changes)


def _keeps(resource: Resource, tables: Tables) -> bool:
    """Whether it is kept for a grace period before it is purged: of rows, those of some kinds."""
    match resource:
        case Row():
            return bool(tables[resource.table].retired)
        case Role() | Database() | Schema() | Package():
            return True
        case _:
            assert_never(resource)


def _due(resource: Resource, now: datetime, grace: timedelta) -> bool:
    stamp = resource.retired_at
    end = (
        after(stamp, grace) if stamp is not None else None
    )  # what was deleted on no day of the calendar is never purged
    return end is not None and end <= now
