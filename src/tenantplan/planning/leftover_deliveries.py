"""Delivered passwords and secrets that stay at their targets after a rename, a purge or a move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from tenantplan.model import address as addresses
from tenantplan.model.address import login_label
from tenantplan.model.login import MAIN_TARGET, Issued
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Database, Package, Role, Row, Schema, one
from tenantplan.model.rowtype import DELIVERED, ON_ITS_WAY
from tenantplan.settings.targets import PLACEHOLDER, TargetSpec, delivered_as
from tenantplan.tables import BUILTIN

RULE = "stays-behind"
_Place = tuple[str, str]  # name of a target, and what it calls the delivery


def leftover_deliveries(
    operations: Iterable[Operation],
    issued: Sequence[Issued],
    sources: Mapping[str, str],
    targets: Mapping[str, TargetSpec],
) -> list[Finding]:
    """A note for each delivery that no later one replaces: whoever gets the name next would find it.

    `sources` are the old addresses of what is renamed, `issued` has logins under the names that they have now.
    """
    found: dict[_Place, Finding] = {}
    for operation in operations:
        for place in () if operation.retire else _leftover(operation, issued, sources):
            found.setdefault(place, Finding(operation.address, RULE, _where(*place, targets)))
    return list(found.values())


def _leftover(operation: Operation, issued: Sequence[Issued], sources: Mapping[str, str]) -> Iterator[_Place]:
    before = operation.before
    match before:
        case Row() if before.table in BUILTIN:
            old, after = addresses.renamed(operation.address, sources), one(operation.after, Row)
            later = set() if after is None else set(_places(operation.address, after))
            known = before.values.keys() if after is None else after.values.keys()
            yield from (p for p in _places(old, before, known) if p not in later)
        case Role() if operation.after is None or operation.renamed_from:
            old = operation.renamed_from or operation.address
            mine = (i for i in issued if i.target != MAIN_TARGET and addresses.role(i.server, i.role) == old)
            yield from ((i.target, login_label(i.holder)) for i in mine)
        case Row() | Role() | Database() | Schema() | Package() | None:
            pass
        case _:
            assert_never(before)


def _places(address: str, row: Row, known: Iterable[str] | None = None) -> Iterator[_Place]:
    """Where the generated secrets of a row are, or go, among the columns that are `known`."""
    for name in row.values if known is None else known:
        target = row.values.get(name)
        if name.endswith(DELIVERED) and isinstance(target, str) and target != MAIN_TARGET:
            yield target.removeprefix(ON_ITS_WAY), delivered_as(address, name.removesuffix(DELIVERED))


def _where(name: str, place: str, targets: Mapping[str, TargetSpec]) -> str:
    target = targets.get(name)
    where = (
        f"the file {target.file.replace(PLACEHOLDER, place)}" if target and target.file else f"{place} in target {name}"
    )
    return f"{where} stays, with what was delivered to it: remove it once nothing reads it"
