"""Files into Documents: every file is read and every mistake collected before anything is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from tenantplan.documents.characters import visible
from tenantplan.documents.convert import Converter
from tenantplan.documents.document import Document
from tenantplan.documents.files import read_files
from tenantplan.documents.nodes import NULLS, MapNode, Node, Refused, Scalar, parse
from tenantplan.documents.shape import Unread
from tenantplan.documents.source import Problem, Problems, Source, SourceText
from tenantplan.documents.spec import Spec
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.errors import ManifestError

API_VERSION: Literal["tenantplan/v1"] = "tenantplan/v1"
LABEL_KEY = r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._@:-]{0,61}[A-Za-z0-9])?)?"
NameRule = Callable[[str], str | None]


def _fits(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(
                f"a label's {what} is at most 63 letters, digits and . _ -, with a letter or digit at both ends"
            )
        return text

    return check


LabelKey = Annotated[
    str, AfterValidator(_fits(LABEL_KEY, "key")), Field(json_schema_extra={"pattern": f"^{LABEL_KEY}$"})
]
LabelValue = Annotated[
    str, AfterValidator(_fits(LABEL_VALUE, "value")), Field(json_schema_extra={"pattern": f"^{LABEL_VALUE}$"})
]


class Metadata(Spec):
    """What every document says about itself."""

    name: str = Field(description="The document's name: with its kind, its identity.")
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, description="Free labels, to select documents by.")
    renamed_from: str | None = Field(
        default=None, description="The name it had before; what it owns is renamed in place."
    )


class _Envelope(Spec):
    api_version: Literal["tenantplan/v1"]
    kind: str
    metadata: Metadata
    spec: Annotated[Any, Unread()]


def load(
    root: Path,
    paths: Sequence[str | Path],
    kinds: Mapping[str, type[BaseModel]],
    name_rules: Mapping[str, NameRule] | None = None,
) -> list[Document]:
    """The documents of all YAML files at or under `paths` (relative to `root`), in order of path and line.

    `kinds` maps a kind to the model of its spec, `name_rules` a kind to what is wrong with a name (None: nothing).
    Raises ManifestError with every problem of every file, and when there is no document at all: an empty manifest is
    more likely a wrong path than a wish to have nothing.
    """
    problems = Problems()
    documents: list[Document] = []
    for source in read_files(Path(root), paths, problems):
        for node in parse(source, problems):
            document = _document(node, source, problems, kinds, name_rules or {})
            if document:
                documents.append(document)
    if not documents and not problems:
        shown = ", ".join(str(path) for path in paths) or "the fleet file's manifests"
        problems.add(Problem(Source(shown, 1, 1), "nothing declared: no YAML document found here", "check the path"))
    if problems:
        raise ManifestError(problems.texts())
    return documents


def _document(
    node: Node,
    source: SourceText,
    problems: Problems,
    kinds: Mapping[str, type[BaseModel]],
    rules: Mapping[str, NameRule],
) -> Document | None:
    converter = Converter(source, problems)
    if isinstance(node, Refused) or (isinstance(node, Scalar) and node.plain and node.text in NULLS):
        return None  # already reported, or nothing between two `---`
    if not isinstance(node, MapNode):
        converter.report(node, "expected a document with apiVersion, kind, metadata and spec")
        return None
    kind = _kind(node, converter, kinds)
    envelope = converter.model(_Envelope, node)
    spec = converter.model(kinds[kind], node.entries["spec"][1]) if kind and "spec" in node.entries else None
    if kind in rules and kind is not None:
        _judge_names(node, rules[kind], converter)
    if not converter.ok or not isinstance(envelope, _Envelope) or kind is None or spec is None:
        return None
    metadata = envelope.metadata
    place = source.place(node.line, node.column)
    return Document(kind, metadata.name, metadata.labels, metadata.renamed_from, spec, place, node, source)


def _kind(node: MapNode, converter: Converter, kinds: Mapping[str, type[BaseModel]]) -> str | None:
    found = node.entries.get("kind", (None, None))[1]
    if not isinstance(found, Scalar) or found.text in kinds:
        return found.text if isinstance(found, Scalar) else None
    if found.text == "Fleet":
        converter.report(found, "kind Fleet belongs in tenantplan.yaml, not in a manifest", f"kinds: {listing(kinds)}")
    else:
        hint = did_you_mean(found.text, kinds) or f"kinds: {listing(kinds)}"
        converter.report(found, f"unknown kind `{visible(found.text[:80])}`", hint)
    return None


def _judge_names(node: MapNode, rule: NameRule, converter: Converter) -> None:
    """Report what the kind's rule finds wrong with the names a document gives itself."""
    metadata = node.entries.get("metadata", (None, None))[1]
    if not isinstance(metadata, MapNode):
        return
    for field in ("name", "renamedFrom"):
        found = metadata.entries.get(field, (None, None))[1]
        if isinstance(found, Scalar) and not (found.plain and found.text in NULLS):
            wrong = rule(found.text)
            if wrong:
                converter.report(found, f"`{field}`: {wrong}")
