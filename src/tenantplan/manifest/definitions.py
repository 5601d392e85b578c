"""The kinds that a fleet declares itself, by ResourceKind documents, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from tenantplan.documents import Document, Problem
from tenantplan.documents.source import Problems
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.errors import ManifestError
from tenantplan.manifest.kinds import DEFINITIONS, KINDS, SPECS, Kinds, NameRule, make_kind
from tenantplan.manifest.kinds.custom import CustomKind, ResourceKindSpec, model, rowtype, table_of
from tenantplan.tables import BUILTIN

_TAKEN = {*(name.lower() for name in SPECS), "fleet", "role", "database", "schema", "package", "server"}


def kinds_of(documents: Sequence[Document]) -> Kinds:
    """The built-in kinds and those that the documents define; ManifestError when a definition cannot be used."""
    definitions = [(d, d.spec) for d in documents if isinstance(d.spec, ResourceKindSpec)]
    if not definitions:
        return KINDS
    tables = {name: kind.rowtype.table for name, kind in KINDS.items()} | {d.name: table_of(s) for d, s in definitions}
    problems = Problems()
    for problem in (*_clashes(definitions), *_references(definitions, tables)):
        problems.add(problem)
    if problems:
        raise ManifestError(problems.sorted())
    found = {d.name: CustomKind(rowtype(d.name, spec, tables), spec) for d, spec in definitions}
    return {**KINDS, **{name: make_kind(kind, model(name, kind.spec), kind.rowtype) for name, kind in found.items()}}


def not_allowed(documents: Sequence[Document], tables: frozenset[str]) -> Iterator[Problem]:
    """A problem for each kind whose table the fleet file does not name: a plan shows what is in it."""
    for document in documents:
        if isinstance(document.spec, ResourceKindSpec):
            table = table_of(document.spec)
            schema = table.rpartition(".")[0] or "public"
            if not {table, f"public.{table}", f"{schema}.*"} & tables:
                message = f"the fleet file does not name the table `{table}` among those that kinds may stand for"
                hint = f"in tenantplan.yaml: resourceTables: [{table}]"
                yield document.problem(message, "spec", "table", hint=hint)


def specs_of(definitions: Sequence[Document]) -> tuple[Mapping[str, type[BaseModel]], Mapping[str, NameRule]]:
    """Models and name rules of the kinds that documents define, as the loader takes them."""
    kinds = {name: kind for name, kind in kinds_of(definitions).items() if name not in KINDS}
    return {name: k.spec for name, k in kinds.items()}, {name: k.name_problem for name, k in kinds.items()}


def _clashes(definitions: Sequence[tuple[Document, ResourceKindSpec]]) -> Iterator[Problem]:
    """Two kinds of one name or table, and names and tables that are tenantplan's own."""
    seen: dict[str, Document] = {}
    for document, spec in definitions:
        if document.name.lower() in _TAKEN:
            yield document.problem(f"the name `{document.name}` is reserved for tenantplan", "metadata", "name")
        if table_of(spec) in BUILTIN or spec.table.startswith(("tenantplan.", "pg_")):
            yield document.problem(f"the table `{spec.table}` is tenantplan's own", "spec", "table")
        claims = {f"kind `{document.name}`": ("metadata", "name"), f"table `{table_of(spec)}`": ("spec", "table")}
        for claim, path in claims.items():
            first = seen.setdefault(claim.lower(), document)
            if first is not document:
                yield document.problem(f"the {claim} is defined twice; first at {first.at(*path)}", *path)


def _references(
    definitions: Sequence[tuple[Document, ResourceKindSpec]], tables: Mapping[str, str]
) -> Iterator[Problem]:
    for document, spec in definitions:
        for column, item in spec.columns.items():
            if item.kind and item.kind not in tables:
                hint = did_you_mean(item.kind, tables) or f"kinds: {listing(sorted(tables))}"
                path = ("spec", "columns", column, "kind")
                yield document.problem(f"there is no kind `{item.kind}` to refer to", *path, hint=hint)


__all__ = ["DEFINITIONS", "kinds_of", "not_allowed", "specs_of"]
