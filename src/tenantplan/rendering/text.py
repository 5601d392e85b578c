"""Plans, reports and tables for a terminal or a log: plain lines, colours only on request.

Every value passes `safe.terminal`, and no line begins with a value, so that none can speak to a CI runner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from tenantplan.model.drift import DriftItem
from tenantplan.model.plan import Finding, Plan
from tenantplan.model.report import Outcome, Report
from tenantplan.rendering.command import Call, following
from tenantplan.rendering.nothing import nothing
from tenantplan.rendering.parts import COLORS, Entry, Field, clipped, counted
from tenantplan.rendering.safe import mask_url, terminal
from tenantplan.rendering.view import View, build, counts, risk

_SHOWN = Call()
_INDENT = "        "
_STATEMENT = 110
_STATEMENTS = 12  # of a migration; a longer one needs --verbose
_NAMES = 3
_CELL = 500  # characters in a column of a table; its widest cell is the width of all
_VALUE = 2000
_NEXT = {
    "failed": "fix the cause and run tenantplan apply again: only what is unfinished runs",
    "stale": "it changed after the plan was made and was left untouched: make a new plan, review it, apply it",
}
_LATER = "the next tenantplan apply runs what was skipped"
_DEPENDS = "what they depend on failed"


def plan(
    plan: Plan,
    *,
    color: bool = False,
    verbose: bool = False,
    grace_days: int | None = None,
    call: Call | None = _SHOWN,
) -> str:
    """The plan as lines of text, each ended by a newline; `verbose` shows every value, statement and database.

    `call` is how it was asked for, from which follows what applies it; None: it is being applied.
    """
    view = build(plan, verbose=verbose, grace_days=grace_days, deep=call is not None and call.deep)
    width = _width(view)
    lines = [_header(view, color), ""]
    lines += [line for entry in view.entries + view.deferred for line in _entry(entry, width, color, verbose)]
    lines += _findings(view, width, color)
    if lines[-1]:
        lines.append("")
    then = following(view, plan.selection, call) if call is not None else ""
    return "\n".join(lines + _footer(view, then, color, verbose)) + "\n"


def report(report: Report, *, color: bool = False) -> str:
    """What became of a plan: how much was skipped and why, then all that failed with its reason and the next step, and the
    counts."""
    lines = _skipped(report, color)
    lines += _taken_back(report, color)
    lines += [
        _paint(f"Still open: {terminal(f.address)}: {terminal(mask_url(f.message))}.", "!", color)
        for f in report.still_open
    ]
    lines += [_paint(f"Note: {terminal(f.message)}.", "!", color) for f in report.notes]
    if report.recovered:
        lines.append(f"Recovered: {counted(report.recovered, 'operation')} that an interrupted run had completed.")
    if report.remaining:
        more = counted(report.remaining, "operation")
        lines.append(f"A fresh plan still lists {more}: run tenantplan plan to see why.")
    for status in ("stale", "failed"):
        outcomes = [outcome for outcome in report.outcomes if outcome.status == status]
        if outcomes:
            lines += [_paint(f"{len(outcomes):,} {status}: {_NEXT[status]}", "!", color)]
            lines += [_outcome(outcome, color) for outcome in outcomes] + [""]
    others = "".join(f", {report.count(s):,} {s}" for s in ("stale", "skipped") if report.count(s))
    done, failed = report.count("done", "recovered"), report.count("failed")
    total = f"Applied: {done:,} done, {failed:,} failed{others} in {report.seconds:.1f} s"
    lines.append(_paint(total, "!" if failed or others else "+", color))
    return "\n".join(lines) + "\n"


def _skipped(report: Report, color: bool) -> list[str]:
    """How many operations were skipped for each reason; why the run was stopped, where no other line says so."""
    skipped = [outcome for outcome in report.outcomes if outcome.status == "skipped"]
    counts = Counter(_DEPENDS if outcome.cause else outcome.error for outcome in skipped)
    lines = [f"{count:,} skipped, {terminal(why)}; {_LATER}." for why, count in counts.items()]
    if report.stopped and not any(report.stopped in why for why in counts):
        lines.append(f"Stopped: {terminal(report.stopped)}.")
    return [_paint(line, "!", color) for line in lines]


def _taken_back(report: Report, color: bool) -> list[str]:
    if not report.taken_back:
        return []
    failed = [outcome for outcome in report.taken_back if outcome.status != "done"]
    done = counted(len(report.taken_back) - len(failed), "database")
    lines = [_paint(f"Rolled back: {done} that this plan had migrated.", "~", color)]
    if failed:
        lines.append(_paint(f"{counted(len(failed), 'database')} could not be taken back:", "!", color))
        lines += [_outcome(outcome, color) for outcome in failed]
    return [*lines, ""]


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, color: bool = False) -> str:
    """Aligned columns under their headers; None is an empty cell."""
    cells = [["" if cell is None else terminal(clipped(mask_url(str(cell)), _CELL)) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
    lines = [_columns(headers, widths), *(_columns(row, widths) for row in cells)]
    head = click.style(lines[0], bold=True) if color else lines[0]
    return "\n".join([head, *lines[1:]]) + "\n"


def drift(items: Sequence[DriftItem], *, color: bool = False, missing: int = 0) -> str:
    """What differs from what was last applied, grouped by address; `missing` is how many things could not be compared."""
    if not items and missing:
        what = f"Nothing differs in what could be compared; {counted(missing, 'object')} could not be."
        return _paint(what, "!", color) + "\n"
    if not items:
        return "No drift. Everything is as it was last applied.\n"
    lines: list[str] = []
    held: dict[str, list[DriftItem]] = {}
    for item in items:
        held.setdefault(item.address, []).append(item)
    for address, group in held.items():
        lines.append(f"  {_paint('~', '~', color)} {terminal(clipped(address, _CELL))}")
        for item in group:
            expected, actual = (_format(value) or "absent" for value in (item.expected, item.actual))
            lines.append(f"{_INDENT}{terminal(clipped(item.name, _CELL))}  expected {expected}, found {actual}")
    more = f" {counted(missing, 'object')} could not be compared." if missing else ""
    lines += ["", f"Drift: {counted(len(items), 'difference')} in {counted(len(held), 'object')}.{more}"]
    return "\n".join(lines) + "\n"


def _format(value: str) -> str:
    return terminal(clipped(mask_url(value), _VALUE))


def _header(view: View, color: bool) -> str:
    parts = [f"fleet {terminal(view.fleet)}"]
    parts += [f"main {terminal(view.main)}"] if view.main else []
    parts += [f"base {terminal(view.base)}"] if view.base else []
    parts += [f"selected: {terminal(view.selection)}"] if view.selection else []
    parts += ["per tenant"] if view.per_tenant else []
    parts += [f"needs {' '.join(view.words)}"] if view.words else []
    title = click.style("tenantplan plan", bold=True) if color else "tenantplan plan"
    return "   ".join([title, *parts])


def _width(view: View) -> int:
    titles = [entry.title for entry in view.entries + view.deferred]
    titles += [f.address for group in (view.orphans, view.unreachable, view.blockers, view.notes) for f in group]
    return min(max((len(terminal(title)) for title in titles), default=0), 40)


def _entry(entry: Entry, width: int, color: bool, verbose: bool) -> Iterator[str]:
    title = terminal(entry.title).ljust(width)
    headline, rest = terminal(entry.headline), entry.fields
    if not headline and len(rest) == 1:
        headline, rest = _field(rest[0]), ()
    tail = _paint("  (destructive)", "!", color) if entry.destructive else ""
    yield f"  {_paint(entry.symbol, entry.symbol, color)} {title}  {headline}".rstrip() + tail
    for field in rest:
        yield _INDENT + _field(field)
    yield from _names(entry.names, verbose)
    yield from _statements(entry, verbose)


def _field(field: Field) -> str:
    sign = "" if field.sign in ("", "~") else f"{field.sign} "
    values = " -> ".join(terminal(value) for value in (field.before, field.after) if value is not None)
    return f"{sign}{terminal(field.label)}  {values}".rstrip()


def _names(names: tuple[str, ...], verbose: bool) -> Iterator[str]:
    if verbose:
        yield from (f"{_INDENT}on {terminal(name)}" for name in names)
    elif names:
        more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
        yield f"{_INDENT}on {', '.join(terminal(name) for name in names[:_NAMES])}{more}"


def _statements(entry: Entry, verbose: bool) -> Iterator[str]:
    if verbose:
        lines = [line for statement in entry.statements for line in statement.splitlines()]
        yield from (f"{_INDENT}{terminal(line.expandtabs(4))}" for line in lines if line.strip())
    elif entry.symbol == "^" and entry.statements:
        shown = entry.statements if len(entry.statements) <= _STATEMENTS else entry.statements[:1]
        yield from (_INDENT + terminal(clipped(" ".join(text.split()), _STATEMENT)) for text in shown)
        if len(shown) < len(entry.statements):
            yield f"{_INDENT}… {len(entry.statements) - len(shown)} more (--verbose)"


def _findings(view: View, width: int, color: bool) -> list[str]:
    groups = (("?", view.orphans), ("!", view.unreachable), ("!", view.blockers), ("i", view.notes))
    return [_finding(symbol, finding, width, color) for symbol, findings in groups for finding in findings]


def _finding(symbol: str, finding: Finding, width: int, color: bool) -> str:
    address = terminal(finding.address).ljust(width)
    return f"  {_paint(symbol, symbol, color)} {address}  {terminal(finding.message)}"


def _nothing(view: View, color: bool) -> str:
    sentence, clear = nothing(view)
    return _paint(sentence, "+" if clear else "!", color)


def _footer(view: View, then: str, color: bool, verbose: bool) -> list[str]:
    lines: list[str] = []
    if view.unfinished:
        lines.append(f"Run {terminal(view.unfinished)} was interrupted: apply completes it first.")
    if view.empty:
        lines.append(_nothing(view, color))
    else:
        verdict = _paint(risk(view), "!", color) if view.destructive else risk(view)
        lines.append(f"Plan: {counts(view)}. {verdict}")
    if view.blockers:
        unless = "" if view.stopped else f" without {' '.join(view.words)}"
        stops = f"Blocked: {counted(len(view.blockers), 'blocker')} above; apply refuses this plan{unless} (exit 3)."
        lines.append(_paint(stops, "!", color))
        if view.stopped:
            return lines
    if not view.empty:
        digest = view.digest if verbose else view.digest[:12] + "…"
        lines.append(f"digest {digest}   {terminal(then)}".rstrip())
    return lines


def _outcome(outcome: Outcome, color: bool) -> str:
    address = f"{outcome.operation.action} {terminal(clipped(outcome.operation.address, _CELL))}"
    reason = f"  {_format(outcome.error)}" if outcome.error else ""
    return f"  {_paint('!', '!', color)} {address}{reason}"


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return ("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))).rstrip()


def _paint(text: str, symbol: str, color: bool) -> str:
    return click.style(text, fg=COLORS[symbol]) if color else text
