"""Maps old addresses to new ones, for every resource that a `renamedFrom` affects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tenantplan.documents import Document
from tenantplan.manifest.kinds import Kinds
from tenantplan.manifest.placement import PlacedDocument
from tenantplan.manifest.server_objects import roles, second
from tenantplan.model import address as addresses
from tenantplan.model.address import MAIN
from tenantplan.model.resource import Row, State, of_type
from tenantplan.tables import BUILTIN


def renames(
    documents: Iterable[Document], found: Mapping[str, PlacedDocument], kinds: Kinds, state: State
) -> dict[str, str]:
    """The renames of documents, of the databases and roles named after them, and of rows that are named after renamed ones."""
    result = {
        kinds[document.kind].address(document.renamed_from): kinds[document.kind].address(document.name)
        for document in documents
        if document.renamed_from is not None
    }
    if not result:
        return result
    before = {new: old for old, new in result.items()}
    for home in found.values():
        result.update(_objects(home, before))
    for row in of_type(state, Row).values():
        result.update(_named_after(row, before))
    return result


def _objects(home: PlacedDocument, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    holder = home.placement.holder
    if home.own and home.placement.url and holder in before:
        yield addresses.brought_schema(before[holder]), addresses.brought_schema(holder)
    if home.bound and home.was and home.was != home.bound:
        for old, new in _roles(home.was, home.bound)[1:]:
            yield addresses.role(MAIN, old), addresses.role(MAIN, new)
    if home.made is None or home.was is None or home.was == home.made[1]:
        return
    server, name = home.made
    yield addresses.database(server, home.was), addresses.database(server, name)
    yield addresses.schema(server, home.was), addresses.schema(server, name)
    for old, new in _roles(home.was, name):
        yield addresses.role(server, old), addresses.role(server, new)


def _roles(before: str, after: str) -> list[tuple[str, str]]:
    """The old and the new name of each role that is called after a database, the owner first."""
    return list(zip((*roles(before), second(before)), (*roles(after), second(after)), strict=True))


def _named_after(row: Row, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A nested row that is named after a renamed one, such as a membership after its user."""
    rowtype = BUILTIN.get(row.table)
    if rowtype is None or rowtype.parent is None or rowtype.name not in rowtype.refs:
        return
    named, parent = row.values[rowtype.name].address, row.values[rowtype.parent].address
    if named in before:
        for above in {parent, before.get(parent, parent)}:  # the parent's own rename may be done already
            yield rowtype.address(before[named], above), rowtype.address(named, parent)
