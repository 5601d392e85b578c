"""Documents that need each other, so that none of them could be made first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tenantplan.documents import Document, Problem
from tenantplan.manifest.marks import Marked, Refers

Node = tuple[str, str]  # kind and name
Uses = Mapping[Node, Sequence[tuple[Document, Marked]]]


def cycles(uses: Uses) -> Iterator[Problem]:
    """One problem for each cycle of references, at the reference that closes it, with every document on the way."""
    done: set[Node] = set()
    for start in uses:
        if start not in done:
            yield from _from(start, uses, done)


def _from(start: Node, uses: Uses, done: set[Node]) -> Iterator[Problem]:
    """Walks depth first, without recursion: a chain of documents may be long."""
    path: list[Node] = [start]
    waiting = [list(uses.get(start, ()))]
    while path:
        if not waiting[-1]:
            done.add(path.pop())
            waiting.pop()
            continue
        document, item = waiting[-1].pop()
        assert isinstance(item.mark, Refers)
        target = (item.mark.kind, item.value)
        if target in path:
            yield _problem(document, item, path[path.index(target) :], uses)
        elif target not in done:
            path.append(target)
            waiting.append(list(uses.get(target, ())))


def _problem(document: Document, item: Marked, circle: Sequence[Node], uses: Uses) -> Problem:
    steps = [f"{kind} `{name}` at {uses[kind, name][0][0].at('metadata', 'name')}" for kind, name in circle]
    message = f"a cycle: {' -> '.join(steps)} -> {circle[0][0]} `{circle[0][1]}`: none of them can be made first"
    return document.problem(message, *item.path, hint="remove one of the references")
