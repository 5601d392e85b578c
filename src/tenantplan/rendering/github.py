"""Annotations of GitHub Actions: a message at a line of a file, which the pull request shows there.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.model.plan import Finding, Plan
from tenantplan.rendering.safe import mask_url, terminal
from tenantplan.rendering.view import build, counts


def annotation(level: str, message: str, **properties: str | int | None) -> str:
    """One annotation: `level` is error, warning or notice, `properties` are file, line, col and title. Nothing in it can end it, or
    begin another."""
    shown = [f"{name}={_property(str(value))}" for name, value in properties.items() if value not in (None, "")]
    return f"::{level} {','.join(shown)}::{_data(message)}" if shown else f"::{level}::{_data(message)}"


def plan(made: Plan) -> str:
    """What a reviewer has to look at: what stands in the way, what was not planned, what to know; and the counts."""
    return "".join(f"{line}\n" for line in _lines(made))


def _lines(made: Plan) -> Iterator[str]:
    levels = (("error", made.blockers), ("warning", made.unreachable), ("notice", made.notes))
    for level, findings in levels:
        yield from (_finding(level, finding) for finding in findings)
    yield annotation("notice", f"Plan: {counts(build(made))}.", title=f"tenantplan plan of fleet {made.fleet}")


def _finding(level: str, finding: Finding) -> str:
    return annotation(level, finding.message, title=finding.address)


def _data(text: str) -> str:
    return terminal(mask_url(text)).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
