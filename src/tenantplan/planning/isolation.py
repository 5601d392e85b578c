"""Blocks shared mode while the main database shows one organization the rows of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tenantplan.model.listing import some
from tenantplan.model.live import Gap, Survey
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding
from tenantplan.model.resource import Resource, Role, Row, State, access_of, afters, one, tree_of

RULE = "isolation"
_NAMED = 3


def sharing(
    live: Survey, desired: State, operations: Sequence[Operation], where: str
) -> tuple[list[Finding], list[Finding]]:
    """Blockers, and notes for what this plan may mend by itself or what harms nobody yet; none where nobody is shared.

    `where` is the address of the shared tables.
    """
    both = [*live.state.values(), *desired.values()]
    if not live.main.sharing.gaps or not (shared := list(_shared(live.state, desired))):
        return [], []
    bound = any(access_of(resource) == "bound" for resource in both)
    changing = [o.after for o in operations]
    blockers: list[Finding] = []
    notes: list[Finding] = []
    for gap in live.main.sharing.gaps:
        finding = Finding(where, RULE, _finding(gap, shared))
        mended = _mended(gap, changing) or (gap.rule == "setting" and not bound)
        (notes if mended else blockers).append(finding)
    return blockers, notes


def without_tables(live: Survey, desired: State, operations: Sequence[Operation], where: str) -> list[Finding]:
    """A blocker for each login that would be bound to its organization in shared tables that the fleet does not have."""
    if where in desired or live.main.revisions.get("shared"):
        return []
    return [Finding(o.address, RULE, _NO_TABLES) for o, role in afters(operations, Role) if role.access == "bound"]


_NO_TABLES = (
    "a login that is bound to its organization (database.login) is for the shared tables, and this fleet has none:"
    " it says shared: none, or its tenant tree is one of SQL scripts"
)


def _shared(live: State, desired: State) -> Iterator[str]:
    """Organizations and tenants that are in shared mode now or by this plan."""
    for address in sorted({*live, *desired}):
        if any(_is_shared(state.get(address)) for state in (live, desired)):
            yield address


def _is_shared(resource: Resource | None) -> bool:
    row = one(resource, Row)
    return row is not None and row.retired_at is None and row.values.get("database_mode") == "shared"


def _mended(gap: Gap, changing: Iterable[Resource | None]) -> bool:
    """Whether a migration of the tables, or the groups' rights that are given anew, may do away with it: the next plan tells."""
    if gap.rule == "grant":
        return any(access_of(resource) in ("write", "read") for resource in changing)
    return any(tree_of(resource) in ("main", "shared") for resource in changing)


def _finding(gap: Gap, shared: Sequence[str]) -> str:
    return f"{gap.thing} {gap.message} (shared mode of {some(shared, _NAMED)})"
