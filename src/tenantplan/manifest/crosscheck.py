"""Mistakes that only several documents together show; each names both places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenantplan.documents import Document, Problem
from tenantplan.documents.suggest import did_you_mean, listing
from tenantplan.manifest.facts import FleetFacts
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.kinds.tenant import TenantSpec

Path = tuple[str | int, ...]
Index = Mapping[tuple[str, str], Document]
# A field that names another document: kind -> (attributes in the spec, path in the YAML, kind that is named).
_REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("Organization", "tier", "Tier"),
    ("User", "organization", "Organization"),
    ("Tenant", "organization", "Organization"),
)
_SERVERS: Mapping[str, tuple[str, ...]] = {
    "Tier": ("defaults", "database", "server"),
    "Organization": ("database", "server"),
    "Tenant": ("database", "server"),
}
_EMAIL_KINDS = ("User", "AdminUser")


def index_of(documents: Sequence[Document]) -> Index:
    """Documents by kind and name; of two with the same, the first."""
    index: dict[tuple[str, str], Document] = {}
    for document in documents:
        index.setdefault((document.kind, document.name), document)
    return index


def crosscheck(documents: Sequence[Document], index: Index, facts: FleetFacts) -> Iterator[Problem]:
    """Every duplicate, undeclared reference and impossible rename."""
    names: dict[str, list[str]] = {}
    for kind, name in index:
        names.setdefault(kind, []).append(name)
    yield from _duplicates(documents)
    yield from _renames(documents, index)
    for document in documents:
        yield from _references(document, index, names)
        yield from _members(document, index, names)
        yield from _licenses(document)
        yield from _server(document, facts)


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


def _references(document: Document, index: Index, names: Mapping[str, list[str]]) -> Iterator[Problem]:
    if is_deleted(document):
        return
    for kind, attribute, target in _REFERENCES:
        name = getattr(document.spec, attribute) if document.kind == kind else None
        if name is not None:
            yield from _reference(document, ("spec", attribute), target, name, index, names)


def _reference(
    document: Document, path: Path, target: str, name: str, index: Index, names: Mapping[str, list[str]]
) -> Iterator[Problem]:
    found = index.get((target, name))
    if found is None:
        known = names.get(target, [])
        hint = did_you_mean(name, known) or (
            f"declared: {listing(sorted(known))}" if known else f"no {target} is declared"
        )
        yield document.problem(f"{target} `{name}` is not declared", *path, hint=hint)
    elif is_deleted(found):
        message = f"{target} `{name}` is declared `state: deleted` at {found.at('spec', 'state')}"
        yield document.problem(
            message, *path, hint=f"delete this {document.kind} as well, or let it name another {target}"
        )


def _members(document: Document, index: Index, names: Mapping[str, list[str]]) -> Iterator[Problem]:
    if not isinstance(document.spec, OrganizationSpec) or is_deleted(document):
        return
    paths: Sequence[Path] = [("spec", "members", number, "user") for number in range(len(document.spec.members))]
    users = [member.user for member in document.spec.members]
    yield from _twice(document, "member", users, paths)
    for member, path in zip(document.spec.members, paths, strict=True):
        if member.state == "active":
            yield from _reference(document, path, "User", member.user, index, names)


def _licenses(document: Document) -> Iterator[Problem]:
    if isinstance(document.spec, TenantSpec):
        licenses = [item.name for item in document.spec.licenses]
        yield from _twice(
            document, "licence", licenses, [("spec", "licenses", n, "name") for n in range(len(licenses))]
        )


def _twice(document: Document, what: str, names: Sequence[str], paths: Sequence[Path]) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for name, path in zip(names, paths, strict=True):
        first = seen.setdefault(name.casefold(), path)
        if first is not path:
            yield document.problem(f"{what} `{name}` is listed twice; first at {document.at(*first)}", *path)


def _server(document: Document, facts: FleetFacts) -> Iterator[Problem]:
    value: Any = document.spec
    for step in _SERVERS.get(document.kind, ()):
        value = getattr(value, step, None)
    path = ("spec", *_SERVERS.get(document.kind, ()))
    if isinstance(value, str) and value not in facts.servers:
        hint = did_you_mean(value, facts.servers) or f"servers of the fleet file: {listing(sorted(facts.servers))}"
        yield document.problem(f"server `{value}` is not declared in the fleet file", *path, hint=hint)
