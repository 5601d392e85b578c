"""Revisions of a path that destroy rows or values, and the comments with which their authors allow it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tenantplan.migration.lint.review import allowances
from tenantplan.migration.lint.row_rules import destroys
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.revision import Revision
from tenantplan.model.step import Hazard, Step, all_origins, flat

Texts = list[tuple[Revision | None, str]]


def losing(
    graph: Graph, path: Sequence[Revision], steps: Sequence[Step], hazards: Sequence[Hazard], *, comments: bool
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Of a destructive path with its `steps` and their `hazards`: the revisions that take a person's word, and those that take
    none, since `comments` of their authors count and allow all that they destroy, with what these say.

    MigrationError for a comment without a reason.
    """
    texts = list(_texts(graph, steps))
    rules: dict[str, set[str]] = {}
    for hazard in hazards:
        revision, _ = texts[hazard.statement]
        if revision is not None and destroys(hazard.rule, hazard.level):
            rules.setdefault(revision.id, set()).add(hazard.rule)
    allowed = {r.id: why for r in path if comments and (why := _allowed(graph, r, texts, rules.get(r.id, set())))}
    # Where the statements of the whole path destroy something that none of its revisions does alone, any may have.
    needing = [r.id for r in path if r.id in rules] or [r.id for r in path]
    return tuple(name for name in needing if name not in allowed), tuple(allowed.items())


def _texts(graph: Graph, steps: Sequence[Step]) -> Iterator[tuple[Revision | None, str]]:
    """Every statement of the steps with its revision, None where it is of none."""
    texts = iter(flat(steps))
    for origin in all_origins(steps):
        yield from ((graph.by_id.get(origin.revision), text) for text in itertools.islice(texts, origin.count))


def _allowed(graph: Graph, revision: Revision, texts: Texts, rules: set[str]) -> str:
    """What a revision's comments say of all that it destroys; "" where they leave something out."""
    said = allowances(graph, revision, [text for of, text in texts if of is revision])
    return "; ".join(f"{rule}: {said[rule]}" for rule in sorted(rules)) if rules and rules <= said.keys() else ""
