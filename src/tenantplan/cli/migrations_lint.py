"""What `tenantplan migrations lint` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenantplan.cli.common import color

if TYPE_CHECKING:
    from tenantplan.migration.lint.review import Remark, Review

_LEVELS = ("danger", "warning", "info")
_MARKS = {"danger": ("!", "red"), "warning": ("!", "yellow"), "info": ("i", "blue"), "allowed": ("=", "green")}
_STATEMENT = 110  # characters


def unresolved(reviews: Sequence[Review]) -> int:
    """The number of dangers and warnings that are not allowed."""
    counts = _counts(reviews)
    return counts["danger"] + counts["warning"]


def document(reviews: Sequence[Review], root: Path) -> dict[str, Any]:
    """The reviews as JSON, files as they are seen from the fleet's folder."""
    revisions = [
        {
            "revision": each.revision.id,
            "message": each.revision.message,
            "file": _file(each, root),
            "reversible": each.revision.reversible,
            "hazards": [remark.document() for remark in each.remarks],
        }
        for each in reviews
    ]
    return {"revisions": revisions, "summary": _counts(reviews)}


def print_reviews(reviews: Sequence[Review], root: Path) -> None:
    """Prints each revision with its hazards, then their number."""
    from tenantplan.rendering.parts import counted
    from tenantplan.rendering.safe import terminal

    for each in reviews:
        title = f"{terminal(each.revision.id)}  {terminal(each.revision.message)}"
        click.echo(click.style(title, bold=True) if color() else title)
        back = "with a downgrade" if each.revision.reversible else "no downgrade"
        click.echo(f"  {terminal(_file(each, root))}, {back}")
        for remark in each.remarks:
            _remark(remark)
        click.echo()
    counts = _counts(reviews)
    said = ", ".join([f"{counts['danger']} danger", counted(counts["warning"], "warning"), f"{counts['info']} info"])
    click.echo(f"Lint: {said}, {counts['allowed']} allowed, in {counted(len(reviews), 'revision')}.")


def _remark(remark: Remark) -> None:
    from tenantplan.rendering.parts import clipped
    from tenantplan.rendering.safe import mask_url, terminal

    hazard = remark.hazard
    mark, painted = _MARKS[_kind(remark)]
    place = f"  {terminal(hazard.table)}" if hazard.table else ""
    place += f"  ({hazard.lock})" if hazard.lock else ""
    shown = click.style(mark, fg=painted) if color() else mark
    click.echo(f"  {shown} {hazard.level} {hazard.rule}{place}")
    if remark.statement is not None:
        click.echo("        " + terminal(mask_url(clipped(" ".join(remark.statement.split()), _STATEMENT))))
    click.echo(f"        {terminal(mask_url(hazard.message))}")
    if remark.allowed is not None:
        click.echo(f"        allowed: {terminal(remark.allowed)}")


def _kind(remark: Remark) -> str:
    return remark.hazard.level if remark.allowed is None else "allowed"


def _counts(reviews: Sequence[Review]) -> Mapping[str, int]:
    found = Counter(_kind(remark) for each in reviews for remark in each.remarks)
    return {kind: found[kind] for kind in (*_LEVELS, "allowed")}


def _file(review: Review, root: Path) -> str:
    path = review.revision.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
