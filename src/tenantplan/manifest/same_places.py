"""Generated passwords and secrets of different documents that a target could not tell apart, such as two in one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tenantplan.documents import Document, Problem
from tenantplan.manifest.draft import Draft
from tenantplan.model import address as addresses
from tenantplan.model.address import whose
from tenantplan.model.login import MAIN_TARGET, Login
from tenantplan.model.resource import Row, Secret
from tenantplan.settings.targets import delivered_as


def same_places(draft: Draft, logins: Mapping[str, Login]) -> Iterator[Problem]:
    """A problem for each delivery to a place of a target that another one has already; it names both documents."""
    seen: dict[tuple[str, str], str] = {}
    for address, target, place in _deliveries(draft, logins):
        first = seen.setdefault((target, place), address)
        if first != address:
            yield _problem(draft, address, first, f"{place} of target {target}")


def _deliveries(draft: Draft, logins: Mapping[str, Login]) -> Iterator[tuple[str, str, str]]:
    """What is delivered, the target, and what it is called there."""
    for holder, login in logins.items():
        if login.target != MAIN_TARGET:
            yield holder, login.target, whose(holder)
    for address, row in draft.state.items():
        for column, value in row.values.items() if isinstance(row, Row) else ():
            if isinstance(value, Secret) and value.target not in (None, MAIN_TARGET):
                yield address, str(value.target), delivered_as(address, column)


def _problem(draft: Draft, address: str, first: str, place: str) -> Problem:
    (document, path), (other, where) = _declared(draft, address), _declared(draft, first)
    message = f"what is delivered of {address} and of {first} is both {place}; first at {other.at(*where)}"
    return document.problem(message, *path, hint="rename one of them, or deliver one of them to another target")


def _declared(draft: Draft, address: str) -> tuple[Document, tuple[str | int, ...]]:
    """Where it is declared; a login is its organization's or tenant's."""
    document, path = draft.places.get(address) or draft.places[addresses.document(address)]
    return document, path or ("metadata", "name")
