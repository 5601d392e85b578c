"""Groups equal changes: databases that get the same migration, and new objects of one kind when there are very many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tenantplan.model import address as addresses
from tenantplan.model.operation import Operation
from tenantplan.model.resource import Schema, sides
from tenantplan.model.step import Hazard
from tenantplan.model.window import Deferral
from tenantplan.rendering.parts import Entry, Field, clipped, counted
from tenantplan.rendering.safe import mask_url

MANY = 200
_NAMED = 5
_HEADLINE = 1000
_LEVELS = ("danger", "warning")


def migrations(operations: Sequence[Operation]) -> list[Entry]:
    """One entry for all databases with the same path and the same statements."""
    groups: dict[tuple[object, ...], list[Operation]] = {}
    for operation in operations:
        key = (*_ends(operation), operation.risk, operation.revisions, operation.statements)
        groups.setdefault(key, []).append(operation)
    return [_migration(group) for group in groups.values()]


def alike(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, new objects summed up by kind when there are over 200 in all."""
    if len(entries) <= MANY:
        return list(entries)
    kinds: dict[str, list[Entry]] = {}
    rest: list[Entry] = []
    for entry in entries:
        (kinds.setdefault(addresses.kind(entry.title), []) if entry.shape else rest).append(entry)
    return [one for kind, group in kinds.items() for one in _summed(kind, group)] + rest


def deferrals(deferred: Sequence[Deferral], *, verbose: bool) -> list[Entry]:
    """What waits: one entry for all databases that get the same migration, and for many other changes alike."""
    groups: dict[tuple[str, ...], list[Deferral]] = {}
    for item in deferred:
        step = item.summary if item.action == "migrate" else ""
        groups.setdefault((item.action, step, item.until, item.zone, item.why), []).append(item)
    found: list[Entry] = []
    for (action, step, *_), group in groups.items():
        if len(group) > 1 and step:
            names = [addresses.name(item.address) for item in group]
            found.append(_deferred(group[0], counted(len(group), "database"), step, names))
        elif len(group) > _NAMED and not verbose:
            names = list(dict.fromkeys(item.address for item in group))
            found.append(_deferred(group[0], counted(len(group), "change"), action, names))
        else:
            found += [_deferred(item, item.address, item.summary, ()) for item in group]
    return found


def _deferred(item: Deferral, title: str, what: str, names: Iterable[str]) -> Entry:
    headline = f"{what}, deferred until {item.when} ({item.why})"
    return Entry("z", title, clipped(mask_url(headline), _HEADLINE), names=tuple(names))


def _ends(operation: Operation) -> tuple[str, str, str]:
    before, after = sides(operation, Schema)
    tree = next((schema.tree for schema in (after, before) if schema), "")
    old, new = (schema.revision if schema else None for schema in (before, after))
    return tree, old or "empty", new or (operation.revisions[-1] if operation.revisions else "empty")


def _migration(group: Sequence[Operation]) -> Entry:
    first = group[0]
    _, old, new = _ends(first)
    revisions = counted(len(first.revisions), "revision")
    verb = "take back" if first.revisions and new not in first.revisions else "migrate"
    same = "the same " if len(group) > 1 else ""
    locked = [table.removeprefix("public.") for table, _ in first.locks]
    locks = f", locks {', '.join(locked[:3])}{' and others' if len(locked) > 3 else ''}" if locked else ""
    return Entry(
        "^",
        first.address if len(group) == 1 else counted(len(group), "database"),
        f"{verb} {old} -> {new}: {revisions}, {same}{counted(len(first.statements), 'statement')}{locks}",
        fields=tuple(_hazard(hazard) for hazard in first.hazards if hazard.level in _LEVELS),
        statements=tuple(mask_url(statement) for statement in first.statements),
        names=tuple(sorted(_database(operation) for operation in group)) if len(group) > 1 else (),
        destructive=first.risk == "destructive",
    )


def _hazard(hazard: Hazard) -> Field:
    """What a reviewer should know of a statement: the rule, what it is about, and what to do instead."""
    lock = f" ({hazard.lock})" if hazard.lock else ""
    about = f" {hazard.table}{lock}" if hazard.table else ""
    return Field("", clipped(mask_url(f"{hazard.level} {hazard.rule}{about}: {hazard.message}"), _HEADLINE))


def _database(operation: Operation) -> str:
    for schema in reversed(sides(operation, Schema)):
        if schema is not None and schema.database:
            return f"{schema.server}/{schema.database}"
    return operation.address


def _summed(kind: str, group: Sequence[Entry]) -> list[Entry]:
    if len(group) <= _NAMED:
        return list(group)
    shapes = Counter(entry.shape for entry in group if entry.shape).most_common()
    most = ", ".join(f"{number:,} {shape}" for shape, number in shapes[:3])
    others = f", {sum(number for _, number in shapes[3:]):,} others" if len(shapes) > 3 else ""
    names = ", ".join(entry.title for entry in group[:3])
    more = Field("", f"{names} and {len(group) - 3:,} more (--verbose)")
    return [Entry("+", counted(len(group), kind), most + others, (more,))]
