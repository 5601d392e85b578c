"""References to the fleet's own secrets in documents: who may write those must not hand them to an application."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from tenantplan.documents import Document, Problem
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fleet_facts import FleetFacts
from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.model.resource import Row, Secret, of_type
from tenantplan.settings.targets import PLACEHOLDER


def own_secrets(draft: Draft, documents: Iterable[Document], facts: FleetFacts) -> Iterator[Problem]:
    """A problem for each reference of a document that the fleet file uses, such as that of the main connection string."""
    taken = _matching(facts)
    for address, row in of_type(draft.state, Row).items():
        for column, value in row.values.items():
            if column == "database_connection":
                continue  # told below, at its place
            reference = value.reference if isinstance(value, Secret) else None
            if reference is not None and taken.fullmatch(_plain(reference, facts.root)):
                document, path = draft.places[address]
                yield _problem(document, path, str(reference))
    for document in documents:
        spec = document.spec
        if isinstance(spec, OrganizationSpec):
            given = {"password": spec.database.password, "readOnlyPassword": spec.database.read_only_password}
            by_reference = [(name, password.reference) for name, password in given.items() if password is not None]
            for name, named in (("url", spec.database.url), *by_reference):
                if named is not None and taken.fullmatch(_plain(named.text, facts.root)):
                    yield _problem(document, ("spec", "database", name), named.text)


def _matching(facts: FleetFacts) -> re.Pattern[str]:
    """What is one of the fleet's own references, or a file that passwords of logins are delivered to."""
    plain = sorted(re.escape(_plain(reference, facts.root)) for reference in facts.reserved)
    return re.compile("|".join(text.replace(re.escape(PLACEHOLDER), "[^/]+") for text in plain) or "(?!)")


def _plain(reference: str, root: str) -> str:
    """A reference with its path written in one way: relative or not, through whatever folders and links it goes."""
    kind, _, name = reference.partition(":")
    return f"file:{os.path.realpath(os.path.join(root, name))}" if kind == "file" else reference


def _problem(document: Document, path: tuple[str | int, ...], reference: str) -> Problem:
    hint = "give it a variable or file of its own"
    return document.problem(f"{reference} is a secret of the fleet itself", *path, hint=hint)
