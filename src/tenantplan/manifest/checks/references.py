"""Mistakes across documents; each names both places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tenantplan.documents import Document, Problem
from tenantplan.documents.loading import Lost
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.manifest.checks.cycles import cycles
from tenantplan.manifest.fields import AUTO
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.marks import Marked, Names, Path, Refers, marked
from tenantplan.manifest.server_choice import named

Index = Mapping[tuple[str, str], Document]
NOTHING_LOST = Lost()
_EMAIL_KINDS = ("User", "AdminUser")


def index_of(documents: Sequence[Document]) -> Index:
    """Documents by kind and name; of two with the same, the first."""
    index: dict[tuple[str, str], Document] = {}
    for document in documents:
        index.setdefault((document.kind, document.name), document)
    return index


def crosscheck(
    documents: Sequence[Document], index: Index, facts: FleetFacts, lost: Lost = NOTHING_LOST
) -> Iterator[Problem]:
    """Every duplicate, undeclared reference and impossible rename; what may be among the `lost` documents counts as declared."""
    names: dict[str, list[str]] = {}
    for kind, name in index:
        names.setdefault(kind, []).append(name)
    yield from _duplicates(documents)
    yield from _renames(documents, index)
    uses: dict[tuple[str, str], list[tuple[Document, Marked]]] = {}
    for document in documents:
        found = list(marked(document.spec))
        yield from _twice(document, found)
        yield from _server(document, facts)
        if not is_deleted(document):
            for item in found:
                if isinstance(item.mark, Refers) and item.value == document.name and item.mark.kind == document.kind:
                    yield document.problem(f"{document.kind} `{document.name}` refers to itself", *item.path)
                    continue
                yield from _reference(document, item, index, names, lost)
                # What is nested is a row of its own, made after both.
                if isinstance(item.mark, Refers) and not item.mark.late and not item.listed:
                    uses.setdefault((document.kind, document.name), []).append((document, item))
    yield from _versions(documents)
    yield from cycles(uses)


def is_deleted(document: Document) -> bool:
    """Whether a document declares `state: deleted`."""
    return getattr(document.spec, "state", "active") == "deleted"


def _duplicates(documents: Sequence[Document]) -> Iterator[Problem]:
    """Two documents of one kind and name; two addresses of one person, which differ in case only."""
    seen: dict[tuple[str, str], Document] = {}
    for document in documents:
        name = document.name.casefold() if document.kind in _EMAIL_KINDS else document.name
        first = seen.setdefault((document.kind, name), document)
        if first is not document:
            where = first.at("metadata", "name")
            message = f"{document.kind} `{document.name}` is declared twice; first at {where}"
            yield document.problem(message, "metadata", "name", hint="keep one of the two, or give it another name")


def _renames(documents: Sequence[Document], index: Index) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Document] = {}
    for document in documents:
        old = document.renamed_from
        if old is None:
            continue
        path = ("metadata", "renamedFrom")
        if old == document.name:
            yield document.problem(f"`{old}` cannot be renamed from itself", *path, hint="remove renamedFrom")
            continue
        declared = index.get((document.kind, old))
        if declared:
            message = f"`{old}` is still declared at {declared.at('metadata', 'name')}, so it cannot be renamed"
            yield document.problem(message, *path, hint="remove the old document, or renamedFrom")
        first = seen.setdefault((document.kind, old), document)
        if first is not document:
            yield document.problem(f"`{old}` is renamed twice; first at {first.at(*path)}", *path)


def _reference(
    document: Document, item: Marked, index: Index, names: Mapping[str, list[str]], lost: Lost
) -> Iterator[Problem]:
    if not isinstance(item.mark, Refers):
        return
    target, name = item.mark.kind, item.value
    found = index.get((target, name))
    if found is None and lost.may_hold(target, name):
        return
    if found is None:
        known = names.get(target, [])
        hint = did_you_mean(name, known) or (
            f"declared: {listing(sorted(known))}" if known else f"no {target} is declared"
        )
        yield document.problem(f"{target} `{name}` is not declared", *item.path, hint=hint)
    elif is_deleted(found):
        message = f"{target} `{name}` is declared `state: deleted` at {found.at('spec', 'state')}"
        hint = f"delete this {document.kind} as well, or let it name another {target}"
        yield document.problem(message, *item.path, hint=hint)
    elif item.mark.same_organization:
        yield from _same_organization(document, item, found, index)


def _same_organization(document: Document, item: Marked, found: Document, index: Index) -> Iterator[Problem]:
    mine, theirs = _organization(document, index), _organization(found, index)
    if mine is not None and theirs is not None and mine != theirs:
        message = f"{found.kind} `{found.name}` belongs to organization `{theirs}`, this {document.kind} to `{mine}`"
        where = found.at("spec", "organization" if hasattr(found.spec, "organization") else "owner")
        yield document.problem(f"{message}; see {where}", *item.path, hint="name one of the same organization")


def _organization(document: Document, index: Index) -> str | None:
    """The organization that a document belongs to, itself or through the team that owns it."""
    own = getattr(document.spec, "organization", None)
    if own is not None:
        return str(own)
    team = index.get(("Team", getattr(document.spec, "owner", "")))
    return _organization(team, index) if team is not None and document.kind != "Team" else None


def _twice(document: Document, found: Sequence[Marked]) -> Iterator[Problem]:
    seen: dict[tuple[Path, str], Path] = {}
    for item in found:
        if isinstance(item.mark, Names):
            first = seen.setdefault((item.listed, item.value.casefold()), item.path)
            if first is not item.path:
                message = f"{item.mark.what} `{item.value}` is listed twice; first at {document.at(*first)}"
                yield document.problem(message, *item.path)


def _versions(documents: Sequence[Document]) -> Iterator[Problem]:
    """Two releases of one version: they would be one package."""
    seen: dict[str, Document] = {}
    for document in documents:
        if document.kind == "Release":
            version = str(getattr(document.spec, "version", ""))
            first = seen.setdefault(version, document)
            if first is not document:
                path = ("spec", "version")
                yield document.problem(f"version `{version}` is released twice; first at {first.at(*path)}", *path)


def _server(document: Document, facts: FleetFacts) -> Iterator[Problem]:
    path, value = named(document)
    if isinstance(value, str) and value != AUTO and value not in facts.servers:
        hint = did_you_mean(value, facts.servers) or f"servers of the fleet file: {listing(sorted(facts.servers))}"
        yield document.problem(f"server `{value}` is not declared in the fleet file", *path, hint=hint)
