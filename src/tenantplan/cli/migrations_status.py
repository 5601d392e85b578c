"""What `tenantplan migrations status` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from tenantplan.cli.common import color

if TYPE_CHECKING:
    from tenantplan.commands.status.revisions import TreeStatus

_SHORT = 12  # revisions, of which all are shown
_NEWEST, _IN_USE = 4, 4  # of a longer tree: the newest, and the newest of the others that databases are at
_NAMES, _LINES = 4, 4  # databases in a line, and lines


def print_tree(tree: TreeStatus, every: bool) -> None:
    """One tree with the databases at its revisions; `every`: with all of them, else what fits on a screen."""
    from tenantplan.rendering.safe import terminal
    from tenantplan.rendering.text import table

    title = f"{tree.tree}: head {terminal(tree.head or 'none')}"
    click.echo(click.style(title, bold=True) if color() else title)
    click.echo(table(("REVISION", "MESSAGE", "DATABASES"), list(_rows(tree, every)), color=color()), nl=False)
    lines = [
        f"behind, at {revision or 'no revision'}: {_listed(names, every)}"
        for revision, names in sorted(tree.behind.items(), key=lambda item: str(item[0]))
    ]
    _print(lines, every)
    for revision, names in sorted(tree.unknown.items()):
        click.echo(terminal(f"  at revision {revision}, which this tree does not have: {_listed(names, every)}"))
    _print(
        [
            f"kept at {revision} by database.revision: organization/{name}"
            for name, revision in sorted(tree.pinned.items())
        ],
        every,
    )
    for edit in tree.edited:
        click.echo(f"  ! {terminal(edit)}")
    click.echo()


def _rows(tree: TreeStatus, every: bool) -> Iterator[tuple[str, str, int]]:
    """Revisions in their order; where there are many, those between the ones that are shown as one line."""
    counts = [len(tree.at.get(revision, ())) for revision, _ in tree.revisions]
    shown = _shown(counts) if not every and len(counts) > _SHORT else set(range(len(counts)))
    pending = _first_pending(tree)
    for is_shown, group in groupby(range(len(counts)), key=lambda number: number in shown):
        numbers = list(group)
        if is_shown:
            yield from ((*tree.revisions[number], counts[number]) for number in numbers)
        else:
            waiting = sum(number >= pending for number in numbers)
            behind = f", {waiting} of them pending" if waiting else ""
            yield "…", f"{len(numbers)} revisions{behind} (--all)", sum(counts[number] for number in numbers)


def _shown(counts: Sequence[int]) -> set[int]:
    newest = set(range(len(counts))[-_NEWEST:])
    in_use = [number for number, count in enumerate(counts) if count and number not in newest]
    return newest | set(in_use[-_IN_USE:])


def _first_pending(tree: TreeStatus) -> int:
    """The number of the first revision that some database does not have; that of none where all are at the head."""
    order = {revision: number for number, (revision, _) in enumerate(tree.revisions)}
    behind = [order.get(part, -1) for revision in tree.behind for part in (revision or "").split(",")]
    return min(behind) + 1 if behind else len(order)


def _listed(names: Sequence[str], every: bool) -> str:
    shown = names if every or len(names) <= _NAMES else names[:_NAMES]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more


def _print(lines: Sequence[str], every: bool) -> None:
    from tenantplan.rendering.safe import terminal

    shown = lines if every or len(lines) <= _LINES else lines[:_LINES]
    for line in shown:
        click.echo(f"  {terminal(line)}")
    if len(shown) < len(lines):
        click.echo(f"  and {len(lines) - len(shown)} more lines like the last (--all)")
