"""A plan as people read it: redacted, grouped by declared object, destructive changes first. PURE: no output here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tenantplan.model.drift import DriftItem
from tenantplan.model.finding_rules import DELETES, LOSSES
from tenantplan.model.host import place
from tenantplan.model.operation import Operation
from tenantplan.model.plan import Finding, Plan
from tenantplan.rendering import groups
from tenantplan.rendering.entries import Wording, declared, shortened
from tenantplan.rendering.parts import SYMBOLS, Entry, Field, clipped
from tenantplan.rendering.safe import mask_url
from tenantplan.rendering.values import LONG

__all__ = ["DriftItem", "Entry", "Field", "View", "build", "counts", "risk"]
_ORDER = {symbol: rank for rank, symbol in enumerate(SYMBOLS)}
_MESSAGE = 1000
_ADDRESS = 400  # more than any that was declared; a row that somebody else wrote may have a longer one
_BRAKES = {DELETES: "--allow-deletes", LOSSES: "--allow-destructive"}


@dataclass(frozen=True)
class View:
    """All that a rendered plan says. `main` and `base` are short descriptions, "" when the plan does not know.

    `waiting` is how many operations the entries of `deferred` stand for, `words` the flags without which a brake holds the plan.
    `deep`: every database was looked into.
    """

    fleet: str
    main: str
    base: str
    selection: str
    digest: str
    summary: Mapping[str, int]
    entries: tuple[Entry, ...]
    blockers: tuple[Finding, ...]
    orphans: tuple[Finding, ...]
    unreachable: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    deferred: tuple[Entry, ...]
    waiting: int
    unfinished: str | None
    words: tuple[str, ...] = ()
    per_tenant: bool = False
    deep: bool = False

    @property
    def destructive(self) -> int:
        """How many entries destroy something."""
        return sum(entry.destructive for entry in self.entries)

    @property
    def stopped(self) -> bool:
        """Whether something holds the plan that no word of whoever applies it can release."""
        return any(finding.rule not in _BRAKES for finding in self.blockers)

    @property
    def empty(self) -> bool:
        """Whether apply would have nothing to do."""
        return not self.entries and self.unfinished is None


def build(plan: Plan, *, verbose: bool = False, grace_days: int | None = None, deep: bool = False) -> View:
    """The view of a plan; `verbose` leaves nothing out, `grace_days` is how long a deletion can be undone, `deep`: every database
    was looked into."""
    return View(
        fleet=clipped(plan.fleet, _ADDRESS),
        main=clipped(_main(plan.target), _ADDRESS),
        base=_base(plan.base),
        selection=_selection(plan.selection),
        digest=plan.digest,
        summary=plan.summary,
        entries=_entries(plan.operations, Wording(verbose, grace_days)),
        blockers=_findings(plan.blockers),
        orphans=_findings(plan.orphans),
        unreachable=_findings(plan.unreachable),
        notes=_findings(plan.notes),
        deferred=tuple(_bounded(entry) for entry in groups.deferrals(plan.deferred, verbose=verbose)),
        waiting=len(plan.deferred),
        unfinished=clipped(plan.unfinished, _ADDRESS) if plan.unfinished else None,
        words=_words(plan),
        per_tenant=plan.per_tenant,
        deep=deep,
    )


def counts(view: View) -> str:
    """The plan in numbers: "1 to create, 1 to update, 12 to migrate, 0 to delete; 1 orphan, 1 unreachable"."""
    names = ("create", "update", "migrate", "delete", "move")
    wanted = [name for name in names if view.summary[name] or name != "move"]
    changes = ", ".join(f"{view.summary[name]:,} to {name}" for name in wanted)
    found = [
        f"{number:,} {one if number == 1 else many}"
        for number, one, many in (
            (len(view.blockers), "blocker", "blockers"),
            (len(view.orphans), "orphan", "orphans"),
            (len(view.unreachable), "unreachable", "unreachable"),
            (view.waiting, "deferred", "deferred"),
        )
        if number
    ]
    return changes + (f"; {', '.join(found)}" if found else "")


def risk(view: View) -> str:
    """The end of the counts: what the plan destroys, and the flags that this needs."""
    if view.destructive:
        first = f"{view.destructive:,} destructive."
    elif view.summary["migrate"]:
        first = "Nothing is deleted; for migrations, see their SQL."
    else:
        first = "Nothing destructive."
    return first + (f" apply needs {' '.join(view.words)}." if view.words else "")


def _words(plan: Plan) -> tuple[str, ...]:
    """The flags by which a person says that what the brakes hold is meant."""
    held = {DELETES: plan.summary["delete"], LOSSES: len(plan.losing)}
    rules = {blocker.rule for blocker in plan.blockers}
    return tuple(f"{flag} {held[rule]}" for rule, flag in _BRAKES.items() if rule in rules)


def _entries(operations: Sequence[Operation], wording: Wording) -> tuple[Entry, ...]:
    held: dict[str, list[Operation]] = {}
    migrating: list[Operation] = []
    for operation in operations:
        if operation.action == "migrate":
            migrating.append(operation)
        else:
            owner = operation.owner
            held.setdefault(owner, []).append(operation)
    found = [entry for owner, group in held.items() for entry in declared(owner, group, wording)]
    found += groups.migrations(migrating)
    found.sort(key=lambda entry: entry.title)
    shown = found if wording.verbose else [shortened(entry) for entry in groups.alike(found)]
    return tuple(_bounded(e) for e in sorted(shown, key=lambda entry: (not entry.destructive, _ORDER[entry.symbol])))


def _bounded(entry: Entry) -> Entry:
    """The entry without the length that could push others out of sight."""
    names = tuple(clipped(name, _ADDRESS) for name in entry.names)
    title, headline = clipped(entry.title, _ADDRESS), clipped(entry.headline, _MESSAGE)
    return replace(entry, title=title, headline=headline, fields=tuple(map(_bounded_field, entry.fields)), names=names)


def _bounded_field(field: Field) -> Field:
    before, after = (None if value is None else clipped(value, LONG) for value in (field.before, field.after))
    return Field(field.sign, clipped(field.label, _ADDRESS), before, after)


def _findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        Finding(clipped(f.address, _ADDRESS), clipped(f.rule, _ADDRESS), clipped(mask_url(f.message), _MESSAGE))
        for f in findings
    )


def place_of(target: Mapping[str, object]) -> str:
    """The main database that a plan is for, and the host and port of its server, as far as the plan knows them."""
    main = str(target.get("main_database") or "")
    server = target.get("server")
    if target.get("host"):
        server = place(str(target["host"]), target.get("port"), embedded=bool(target.get("embedded")))
    return f"{main} on {server}" if server else main


def _main(target: Mapping[str, object]) -> str:
    version = str(target.get("server_version") or "")
    return ", ".join(part for part in (place_of(target), f"PostgreSQL {version}" if version else "") if part)


def _base(base: Mapping[str, object]) -> str:
    commit = str(base.get("commit") or "")[:7]
    return f"{commit}{' with uncommitted changes' if base.get('dirty') else ''}" if commit else ""


def _selection(selection: Mapping[str, object]) -> str:
    shown = []
    for name, value in sorted(selection.items()):
        pairs = [f"{k}={v}" for k, v in sorted(value.items())] if isinstance(value, Mapping) else None
        values = pairs if pairs is not None else value if isinstance(value, (list, tuple)) else [value]
        shown += [f"{name} {item}" for item in values if item not in (None, "", {})]
    return clipped(", ".join(shown), _MESSAGE)
