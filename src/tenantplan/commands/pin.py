"""Pins: revisions that databases stay at, written into the documents of their organizations. Needs no database."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenantplan.desired.declare import declared, load_documents
from tenantplan.documents import Document
from tenantplan.documents.edit import with_value
from tenantplan.documents.suggest import did_you_mean
from tenantplan.errors import NotFound, UsageError
from tenantplan.fleet.opening import open_fleet
from tenantplan.manifest.resolve import PINNED_AT
from tenantplan.model import address as addresses
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Schema, of_type
from tenantplan.settings.settings import Settings


@dataclass(frozen=True)
class FileEdit:
    """A file as it is and as it is to be; `name` is its path below the fleet's root."""

    path: Path
    name: str
    before: bytes
    after: bytes

    def diff(self) -> str:
        """The change as a unified diff; empty when there is none."""
        old, new = (text.decode().splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(old, new, f"a/{self.name}", f"b/{self.name}"))


def pins(settings: Settings, organizations: Sequence[str], revision: str) -> list[FileEdit]:
    """What has to be written so that the databases of these organizations are at a revision and stay there.

    Raises NotFound for an organization that is not declared, UsageError for one without a database of its own, ManifestError.
    """
    with open_fleet(settings) as fleet:
        documents = load_documents(fleet)
        desired = declared(fleet, documents)
    known = {document.name: document for document in documents if document.kind == "Organization"}
    texts: dict[str, str] = {}
    for name in dict.fromkeys(addresses.short_name(addresses.from_name(name)) for name in organizations):
        document = _checked(name, known, desired)
        text = texts.get(document.source.path) or _read(settings.root / document.source.path)[1]
        texts[document.source.path] = _pinned(text, document, revision)
    return [_edit(settings.root, name, text) for name, text in texts.items()]


def _checked(name: str, known: dict[str, Document], desired: Desired) -> Document:
    if name not in known:
        hint = did_you_mean(name, list(known)) or "see them all: tenantplan status"
        raise NotFound(f"Organization not found: {name}", hint=hint)
    holder = addresses.organization(name)
    if not any(schema.holder == holder for schema in of_type(desired.state, Schema).values()):
        raise UsageError(
            f"organization {name} has no database of its own that could stay at a revision",
            where=str(known[name].at(*PINNED_AT[:2])),
            hint="organizations in the shared tables have one revision together; a deleted one has none",
        )
    return known[name]


def _pinned(text: str, document: Document, revision: str) -> str:
    try:
        return with_value(text, document.kind, document.name, PINNED_AT, revision)
    except ValueError as error:
        hint = f"write it yourself: database: {{ revision: {revision} }}"
        raise UsageError(str(error), where=str(document.at(*PINNED_AT)), hint=hint) from error


def _read(path: Path) -> tuple[bytes, str]:
    try:
        content = path.read_bytes()
        return content, content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be edited: {error}", where=str(path), hint="write it yourself") from error


def _edit(root: Path, name: str, text: str) -> FileEdit:
    return FileEdit(root / name, name, _read(root / name)[0], text.encode())
