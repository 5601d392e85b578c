"""Revisions of a path that destroy rows or values, and the comments with which their authors allow it."""

from __future__ import annotations

from collections.abc import Iterator

from tenantplan.migration.compile.assemble import is_own
from tenantplan.migration.compile.compile import upgrade
from tenantplan.migration.lint.lint import lint
from tenantplan.migration.lint.review import allowances
from tenantplan.migration.lint.row_rules import destroys
from tenantplan.migration.tree.graph import Graph
from tenantplan.migration.tree.revision import Revision
from tenantplan.model.step import flat

Texts = list[tuple[Revision, str]]


def losing(
    graph: Graph, start: str | None, end: str | None, mark: str | None, *, shared: bool, comments: bool
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Of a destructive path to `end`: the revisions that take a person's word, and those that take none, since `comments` of
    their authors count and allow all that they destroy, with what these say.

    `mark` was left by a migration that stopped halfway. MigrationError for a comment without a reason.
    """
    texts = list(_texts(graph, start, end, mark, shared))
    rules: dict[str, set[str]] = {}
    for hazard in lint([text if is_own(text) else "" for _, text in texts]):
        if destroys(hazard.rule, hazard.level):
            rules.setdefault(texts[hazard.statement][0].id, set()).add(hazard.rule)
    path = graph.path(start, end)
    allowed = {r.id: why for r in path if comments and (why := _allowed(graph, r, texts, rules.get(r.id, set())))}
    # Where the statements of the whole path destroy something that none of its revisions does alone, any may have.
    needing = [r.id for r in path if r.id in rules] or [r.id for r in path]
    return tuple(name for name in needing if name not in allowed), tuple(allowed.items())


def _texts(
    graph: Graph, start: str | None, end: str | None, mark: str | None, shared: bool
) -> Iterator[tuple[Revision, str]]:
    at = start
    for number, revision in enumerate(graph.path(start, end)):
        after = graph.after(at, revision)
        steps = upgrade(graph, at, after, shared=shared, mark=mark if number == 0 else None)
        yield from ((revision, text) for text in flat(steps))
        at = after


def _allowed(graph: Graph, revision: Revision, texts: Texts, rules: set[str]) -> str:
    """What a revision's comments say of all that it destroys; "" where they leave something out."""
    said = allowances(graph, revision, [text for of, text in texts if of is revision])
    return "; ".join(f"{rule}: {said[rule]}" for rule in sorted(rules)) if rules and rules <= said.keys() else ""
