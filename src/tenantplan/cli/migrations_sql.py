"""What `tenantplan migrations sql` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tenantplan.migration.tree.graph import Graph


def steps_between(graph: Graph, tree: str, start: str | None, end: str | None) -> list[dict[str, Any]]:
    """One item for each revision on the way, oldest first, or newest first on the way back."""
    from tenantplan.migration.compile.compile import downgrade, upgrade

    back = end is None or (start is not None and graph.comes_before(end, start))
    at = start
    found = []
    for revision in graph.path(end, start)[::-1] if back else graph.path(start, end):
        after = graph.before(at, revision) if back else graph.after(at, revision)
        compiled = (downgrade if back else upgrade)(graph, at, after, shared=tree == "shared")
        found.append(
            {
                "revision": revision.id,
                "direction": "downgrade" if back else "upgrade",
                "message": revision.message,
                "statements": [statement for part in compiled for statement in part.statements],
                "steps": [part.document() for part in compiled],
            }
        )
        at = after
    return found


def print_steps(tree: str, first: str | None, last: str | None, steps: Sequence[dict[str, Any]]) -> None:
    """What `steps_between` found, as a script."""
    from tenantplan.rendering.safe import terminal

    click.echo(f"-- {tree}: {terminal(first or 'base')} -> {terminal(last or 'base')}")
    if not steps:
        click.echo("-- nothing to do")
        return
    for step in steps:
        click.echo(f"\n-- {step['direction']} {terminal(step['revision'])}: {terminal(step['message'])}")
        for part in step["steps"]:
            _print(part)


def _print(part: dict[str, Any]) -> None:
    """One step, as it runs: in a transaction, or without one."""
    together = part["kind"] != "outside"
    click.echo("BEGIN;\nSET LOCAL search_path = public, pg_temp;" if together else "SET search_path = public, pg_temp;")
    for statement in part["statements"]:
        click.echo(_seen(statement) + ("\n;" if "--" in statement.rsplit("\n", 1)[-1] else ";"))
    click.echo("COMMIT;" if together else "RESET search_path;")


def _seen(statement: str) -> str:
    """The statement as it is, for who runs it; on a terminal with nothing in it that a terminal obeys."""
    from tenantplan.rendering.safe import terminal

    if not sys.stdout.isatty():
        return statement
    return "\n".join(terminal(line.expandtabs(4)) for line in statement.split("\n"))
