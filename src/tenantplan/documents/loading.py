"""Loads files into Documents: every file is read and every mistake collected before anything is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from tenantplan.documents.belongs import belongs
from tenantplan.documents.characters import visible
from tenantplan.documents.convert import Converter
from tenantplan.documents.document import Document, places_of
from tenantplan.documents.envelope import API_VERSION, Envelope, Metadata
from tenantplan.documents.files import read_files
from tenantplan.documents.nodes import ListNode, MapNode, Mark, Node, RefusedNode, Scalar, is_null, parse
from tenantplan.documents.source import Problem, Problems, Source, SourceText
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.errors import ManifestError, Mistake

__all__ = ["API_VERSION", "Extend", "Metadata", "NameRule", "load"]

_ESCAPED = re.compile(r"\\[xuU\r\n]")  # in double quotes, the one other way to spell a word

NameRule = Callable[[str], str | None]
Extend = Callable[[list[Document]], tuple[Mapping[str, type[BaseModel]], Mapping[str, NameRule]]]


@dataclass(frozen=True)
class Lost:
    """The documents that are there and could not be accepted, by kind and name; `anything`: others may be there as well."""

    named: set[tuple[str, str]] = field(default_factory=set)
    anything: bool = False

    def may_hold(self, kind: str, name: str) -> bool:
        """Whether a document of that name may be among them."""
        return self.anything or (kind, name) in self.named or (kind, "") in self.named


Check = Callable[[list[Document], Lost], Iterable[Problem]]


@dataclass(frozen=True)
class _Kinds:
    """The models and name rules by kind; `unsure` when there may be more kinds, whose definitions are wrong."""

    specs: Mapping[str, type[BaseModel]]
    rules: Mapping[str, NameRule]
    unsure: bool = False


def load(
    root: Path,
    paths: Sequence[str | Path],
    kinds: Mapping[str, type[BaseModel]],
    name_rules: Mapping[str, NameRule] | None = None,
    *,
    definitions: str | None = None,
    extend: Extend | None = None,
    check: Check = lambda documents, lost: (),
) -> list[Document]:
    """The documents of all YAML files at or under `paths` (relative to `root`), in order of path and line.

    `kinds` maps a kind to the model of its spec, `name_rules` a kind to what is wrong with a name (None: nothing).
    Documents of the kind `definitions`, wherever they stand, are handed to `extend` first; it returns the kinds and
    name rules that they define, and may raise ManifestError. It is not called when there are none, or one is wrong.
    Raises ManifestError with every problem of every file, and those that `check` finds in the documents that are right; and
    when there is no document at all: an empty manifest is
    more likely a wrong path than a wish to have nothing.
    """
    problems, refused, lost = Problems(), list[Mistake](), Lost()
    known = _Kinds(kinds, name_rules or {})
    sources: Iterable[SourceText] = read_files(Path(root), paths, problems)
    if definitions and extend:
        sources = list(sources)
        known, refused = _extended(known, sources, definitions, extend)
    documents = [document for source in sources for document in _documents(source, problems, known, lost=lost)]
    if not documents and not problems:
        shown = ", ".join(str(path) for path in paths) or "the fleet file's manifests"
        problems.add(Problem(Source(shown, 1, 1), "nothing declared: no YAML document found here", "check the path"))
    if problems or refused:
        for problem in check(documents, replace(lost, anything=lost.anything or problems.unreadable or bool(refused))):
            problems.add(problem)
        raise ManifestError([*refused, *problems.sorted()])
    return documents


def _extended(
    known: _Kinds, sources: Iterable[SourceText], definitions: str, extend: Extend
) -> tuple[_Kinds, list[Mistake]]:
    """The kinds with those that documents define, and what `extend` refused.

    What is wrong with a document itself is found again, and reported, when all documents are read.
    """
    problems = Problems()
    found: list[Document] = []
    for source in sources:
        if definitions in source.text or _ESCAPED.search(source.text):
            found += _documents(source, problems, known, only=definitions)
    if problems or not found:
        return replace(known, unsure=bool(problems)), []
    try:
        specs, rules = extend(found)
    except ManifestError as error:
        return replace(known, unsure=True), error.found
    new = {kind: rule for kind, rule in rules.items() if kind not in known.specs}  # what exists stays as it is
    return _Kinds({**specs, **known.specs}, {**known.rules, **new}), []


def _documents(
    source: SourceText, problems: Problems, known: _Kinds, only: str | None = None, lost: Lost | None = None
) -> Iterator[Document]:
    """The documents of one file that could be accepted, or just those of one kind; the others are noted as `lost`."""
    before = len(problems)
    for node in parse(source, problems):
        if only is None or _is(node, only):
            document = _document(node, source, problems, known)
            if document:
                yield document
            elif lost is not None and isinstance(node, MapNode):
                lost.named.add((_word(node.get("kind")), _name(node)))
        if len(problems) > before:
            problems.place(source.path, _refused_fields(node))
            before = len(problems)


def _word(node: Node | None) -> str:
    return node.value if isinstance(node, Scalar) else ""


def _name(node: MapNode) -> str:
    metadata = node.get("metadata")
    return _word(metadata.get("name")) if isinstance(metadata, MapNode) else ""


def _refused_fields(root: Node) -> dict[tuple[int, int], tuple[str | int, ...]]:
    """The path of each value that was refused when it was read, by its line and column."""
    found: dict[tuple[int, int], tuple[str | int, ...]] = {}
    waiting: list[tuple[tuple[str | int, ...], Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, RefusedNode):
            found[node.start_mark.line + 1, node.start_mark.column + 1] = path
        elif isinstance(node, MapNode):
            waiting += [((*path, name), entry) for name, (_, entry) in node.entries.items()]
        elif isinstance(node, ListNode):
            waiting += [((*path, number), item) for number, item in enumerate(node.items)]
    return found


def _document(node: Node, source: SourceText, problems: Problems, known: _Kinds) -> Document | None:
    spec_model = known.specs.get(_word(node.get("kind"))) if isinstance(node, MapNode) else None
    converter = Converter(source, problems, node, partial(belongs, kind=spec_model, kinds=known.specs))
    if isinstance(node, RefusedNode) or is_null(node):
        return None  # already reported, or nothing between two `---`
    if not isinstance(node, MapNode):
        converter.report(node, "expected a document with apiVersion, kind, metadata and spec")
        return None
    kind, content = _kind(node, converter, known), node.get("spec")
    envelope = converter.model(Envelope, node)
    spec = converter.model(known.specs[kind], content) if kind is not None and content is not None else None
    if kind is not None and kind in known.rules:
        _judge_names(node, known.rules[kind], converter)
    if not converter.ok or not isinstance(envelope, Envelope) or kind is None or spec is None:
        return None
    return _accepted(kind, envelope.metadata, spec, node, source)


def _accepted(kind: str, metadata: Metadata, spec: BaseModel, node: MapNode, source: SourceText) -> Document:
    start: Mark = node.start_mark
    return Document(
        kind=kind,
        name=metadata.name,
        labels=metadata.labels,
        renamed_from=metadata.renamed_from,
        adopt=metadata.adopt,
        restore=metadata.restore,
        spec=spec,
        source=source.place(start.line, start.column),
        places=places_of(node),
        text=source,
    )


def _kind(node: MapNode, converter: Converter, known: _Kinds) -> str | None:
    """The kind that a document has, or None after reporting one that does not exist."""
    found = node.get("kind")
    if not isinstance(found, Scalar):
        return None
    if found.value in known.specs:
        return found.value
    kinds = known.specs
    if found.value == "Fleet":
        converter.report(found, "kind Fleet belongs in tenantplan.yaml, not in a manifest", f"kinds: {listing(kinds)}")
    elif not known.unsure:
        hint = did_you_mean(found.value, kinds) or f"kinds: {listing(kinds)}"
        converter.report(found, f"unknown kind `{visible(found.value[:80])}`", hint)
    return None


def _is(node: Node, kind: str) -> bool:
    found = node.get("kind") if isinstance(node, MapNode) else None
    return isinstance(found, Scalar) and found.value == kind


def _judge_names(node: MapNode, rule: NameRule, converter: Converter) -> None:
    """Report what the kind's rule finds wrong with the names a document gives itself."""
    metadata = node.get("metadata")
    if not isinstance(metadata, MapNode):
        return
    for key in ("name", "renamedFrom"):
        found = metadata.get(key)
        if isinstance(found, Scalar) and not is_null(found):
            wrong = rule(found.value)
            if wrong:
                converter.report(found, f"`{key}`: {wrong}")
