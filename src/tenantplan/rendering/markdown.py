"""The plan as one pull-request comment: what a reviewer needs, destructive changes first, cut to GitHub's limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tenantplan.model.plan import Finding, Plan
from tenantplan.rendering.nothing import nothing
from tenantplan.rendering.parts import Entry, clipped, counted
from tenantplan.rendering.view import View, build, counts, risk

LIMIT = 65_535
_SQL_LINES = 200
_SQL_LINE = 300
_NAMES = 20
_TEMPLATE = "plan.md.j2"


@dataclass
class _Comment:
    """What of a view still fits: each list is filled in the order of `_pieces`, `cut` counts what does not."""

    blockers: list[Finding] = field(default_factory=list)
    destructive: list[Entry] = field(default_factory=list)
    unreachable: list[Finding] = field(default_factory=list)
    changes: list[Entry] = field(default_factory=list)
    deferred: list[Entry] = field(default_factory=list)
    orphans: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    sql: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    cut: int = 0
    cut_sql: int = 0


def marker(fleet: str) -> str:
    """The comment's first line, by which the comment of a fleet is found again and updated in place."""
    return f"<!-- tenantplan:plan:{re.sub(r'[^A-Za-z0-9._-]', '_', fleet)[:100]} -->"


def plan(plan: Plan, *, limit: int = LIMIT, grace_days: int | None = None) -> str:
    """The comment, shorter than `limit` characters; what does not fit is counted, never a destructive change first."""
    view = build(plan, grace_days=grace_days)
    pieces = list(_pieces(view))
    fits, too_many = 0, len(pieces) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if _length(_render(view, pieces, middle)) < limit else (fits, middle)
    return _render(view, pieces, fits)


_Piece = tuple[str, Finding | Entry]


def _pieces(view: View) -> Iterator[_Piece]:
    """Everything a comment can hold, the most important first; the end of this list is what is cut."""
    destructive = [entry for entry in view.entries if entry.destructive]
    safe = [entry for entry in view.entries if not entry.destructive]
    yield from (("blockers", finding) for finding in view.blockers)
    yield from (("destructive", entry) for entry in destructive)
    yield from (("sql", entry) for entry in destructive if entry.statements)
    yield from (("unreachable", finding) for finding in view.unreachable)
    yield from (("changes", entry) for entry in safe)
    yield from (("deferred", entry) for entry in view.deferred)
    yield from (("orphans", finding) for finding in view.orphans)
    yield from (("notes", finding) for finding in view.notes)
    yield from (("sql", entry) for entry in safe if entry.symbol == "^" and entry.statements)


def _render(view: View, pieces: Sequence[_Piece], number: int) -> str:
    from tenantplan.rendering.templating import template

    comment = _Comment()
    for section, item in pieces[:number]:
        if section == "sql" and isinstance(item, Entry):
            comment.sql.append((f"{item.title}: {counted(len(item.statements), 'statement')}", _sql(item)))
        else:
            getattr(comment, section).append(item)
    comment.cut_sql = sum(section == "sql" for section, _ in pieces[number:])
    comment.cut = len(pieces) - number - comment.cut_sql
    return template(_TEMPLATE, autoescape=False).render(
        marker=marker(view.fleet),
        view=view,
        comment=comment,
        nothing=nothing(view)[0],
        counts=counts(view),
        risk=risk(view),
        names=_named,
    )


def _sql(entry: Entry) -> tuple[str, ...]:
    lines = [line for statement in entry.statements for line in f"{statement.rstrip().rstrip(';')};".splitlines()]
    kept = tuple(clipped(line.expandtabs(4), _SQL_LINE) for line in lines[:_SQL_LINES] if line.strip())
    return (*kept, f"-- {len(lines) - _SQL_LINES} more lines cut") if len(lines) > _SQL_LINES else kept


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _length(text: str) -> int:
    """UTF-16 units: never fewer than characters, whichever of the two GitHub counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
