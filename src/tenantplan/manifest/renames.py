"""Old address -> new address, for every resource that a `renamedFrom` touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tenantplan.documents import Document
from tenantplan.manifest.kinds import address
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.placement import Home, roles
from tenantplan.model import address as addresses
from tenantplan.tables import control


def renames(documents: Iterable[Document], found: Mapping[str, Home]) -> dict[str, str]:
    """The renames of documents, of the databases and roles named after them, and of memberships of renamed users."""
    documents = list(documents)
    result = {
        address(document.kind, document.renamed_from): address(document.kind, document.name)
        for document in documents
        if document.renamed_from is not None
    }
    before = {new: old for old, new in result.items()}
    for home in found.values():
        result.update(_objects(home, before))
    for document in documents:
        if isinstance(document.spec, OrganizationSpec):
            result.update(_members(document, document.spec, before))
    return result


def _objects(home: Home, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    holder = home.placement.holder
    if home.own and home.placement.url and holder in before:
        yield f"schema/{before[holder]}", f"schema/{holder}"
    if home.made is None or home.was is None or home.was == home.made[1]:
        return
    server, name = home.made
    yield addresses.database(server, home.was), addresses.database(server, name)
    yield addresses.schema(server, home.was), addresses.schema(server, name)
    for old, new in zip(roles(home.was), roles(name), strict=True):
        yield addresses.role(server, old), addresses.role(server, new)


def _members(document: Document, spec: OrganizationSpec, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    organization = address("Organization", document.name)
    for member in spec.members:
        user = before.get(address("User", member.user))
        if user:
            new = control.MEMBER.address(member.user, organization)
            for home in {organization, before.get(organization, organization)}:  # its own rename may be done already
                yield control.MEMBER.address(user, home), new
