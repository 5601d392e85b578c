"""Generated passwords and secrets of different documents that a target could not tell apart, such as two in one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from tenantplan.documents import Document, Problem
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.model import address as addresses
from tenantplan.model.address import login_label
from tenantplan.model.login import MAIN_TARGET, Login
from tenantplan.model.resource import Row, Secret, of_type
from tenantplan.settings.targets import PLACEHOLDER, delivered_as


def same_places(draft: Draft, logins: Mapping[str, Login], facts: FleetFacts) -> Iterator[Problem]:
    """A problem for each delivery to a place that another one has already, in one target or in the same file; it names both
    documents."""
    seen: dict[str, tuple[str, str]] = {}
    folders: dict[str, str] = {}
    for address, target, place in _deliveries(draft, logins):
        file = facts.targets.get(target)
        within = f"{place} of target {target}"
        where = within if file is None else _file(file, place, facts.root, folders)
        first, other = seen.setdefault(where, (address, target))
        if first != address:
            yield _problem(draft, address, first, within if other == target else f"the file {where}")


def _file(file: str, place: str, root: str, folders: dict[str, str]) -> str:
    """The file that a target writes, by one path however it is written; `folders` keeps what is known of those on the way."""
    folder, name = os.path.split(os.path.join(root, file.replace(PLACEHOLDER, place)))
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)


def _deliveries(draft: Draft, logins: Mapping[str, Login]) -> Iterator[tuple[str, str, str]]:
    """What is delivered, the target, and what it is called there."""
    for holder, login in logins.items():
        if login.target != MAIN_TARGET:
            yield holder, login.target, login_label(holder)
    for address, row in of_type(draft.state, Row).items():
        for column, value in row.values.items():
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
