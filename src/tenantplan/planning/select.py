"""Selects a part of a plan: --target, --exclude and --selector."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tenantplan.errors import UsageError
from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Ref, Row, of_type


@dataclass(frozen=True)
class Selection:
    """Addresses to keep, addresses to leave out, labels that an organization or tenant must have."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.targets or self.excludes or self.labels)

    def document(self) -> dict[str, object]:
        """The selection as the plan file holds it."""
        if self.everything:
            return {}
        return {"target": list(self.targets), "exclude": list(self.excludes), "selector": dict(self.labels)}


EVERYTHING = Selection()


def parse_selector(texts: Sequence[str]) -> dict[str, str]:
    """Labels from `key=value` texts; UsageError for anything else."""
    labels: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key or not value:
            raise UsageError(f"--selector {text!r} is not key=value", hint="for example: --selector region=eu")
        if labels.get(key, value) != value:
            raise UsageError(f"--selector {key} is given twice, with two values: nothing has both")
        labels[key] = value
    return labels


def select(
    operations: Sequence[Operation],
    selection: Selection,
    labels: Mapping[str, Mapping[str, str]],
    known: frozenset[str],
) -> tuple[Operation, ...]:
    """The selected operations and all that they depend on, in the same order.

    `known` are all addresses, live or declared: a target that names none is a UsageError, since a misspelt one would
    select nothing and look like success. So is a selector that no document matches.
    """
    for address in (*selection.targets, *selection.excludes):
        if not any(_within(k, address) for k in known):
            raise UsageError(
                f"{address} is neither declared nor live",
                hint="addresses are written as in the plan: organization/NAME",
            )
    if selection.everything:
        return tuple(operations)
    if selection.labels and not any(selection.labels.items() <= mine.items() for mine in labels.values()):
        wanted = ", ".join(f"{key}={value}" for key, value in selection.labels.items())
        raise UsageError(f"no declared organization or tenant has {wanted}", hint="labels are in metadata.labels")
    by_id = {operation.id: operation for operation in operations}
    chosen: set[str] = set()
    stack = [o.id for o in operations if _chosen(o, selection, labels)]
    while stack:
        identifier = stack.pop()
        if identifier not in chosen:
            chosen.add(identifier)
            stack.extend(d for d in by_id[identifier].depends_on if d in by_id)
    dropped = _with_followers(operations, {o.id for o in operations if _named(o, selection.excludes)})
    return tuple(o for o in operations if o.id in chosen and o.id not in dropped)


def without(operations: Sequence[Operation], scopes: Collection[str]) -> tuple[Operation, ...]:
    """The operations without those of some scopes, and without what depends on them."""
    dropped = _with_followers(operations, {o.id for o in operations if o.scope in scopes})
    return tuple(o for o in operations if o.id not in dropped)


def _with_followers(operations: Sequence[Operation], dropped: set[str]) -> set[str]:
    for operation in operations:  # dependencies come first, so one pass is enough
        if dropped.intersection(operation.depends_on):
            dropped.add(operation.id)
    return dropped


def _chosen(operation: Operation, selection: Selection, labels: Mapping[str, Mapping[str, str]]) -> bool:
    if selection.targets and not _named(operation, selection.targets):
        return False
    mine = {**labels.get(operation.scope, {}), **labels.get(addresses.document(operation.address), {})}
    return all(mine.get(key) == value for key, value in selection.labels.items())


def _named(operation: Operation, targets: Sequence[str]) -> bool:
    return any(_within(operation.address, a) or _within(operation.scope, a) for a in targets)


def _within(address: str, ancestor: str) -> bool:
    return address == ancestor or addresses.is_below(address, ancestor)


def labels(desired: Desired) -> dict[str, dict[str, str]]:
    """Labels by address, with an organization's tier and mode among them, so that --selector tier=pro works."""
    labels = {address: dict(found) for address, found in desired.labels.items()}
    for address, row in of_type(desired.state, Row).items():
        if "database_mode" in row.values:
            own = labels.setdefault(address, {})
            own.setdefault("mode", str(row.values["database_mode"] or "none"))
            tier = row.values.get("tier_id")
            if isinstance(tier, Ref):
                own.setdefault("tier", addresses.name(tier.address))
    return labels
