"""Manifests of a few documents, written to a folder and read back as `resolve` gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantplan.documents import Document, load
from tenantplan.errors import ManifestError
from tenantplan.manifest.definitions import DEFINITIONS, specs_of
from tenantplan.manifest.kinds import NAME_RULES, SPECS
from tenantplan.manifest.resolve import FleetFacts, resolve
from tenantplan.model.desired import Desired
from tenantplan.model.resource import Row

TABLES = frozenset({"public.*", "crm.*"})
FACTS = FleetFacts("demo", "tp_main", "tp_", frozenset({"primary", "eu-1"}), tables=TABLES)


def a_document(kind: str, name: str, spec: str = "", metadata: str = "") -> str:
    """One document; `spec` is what stands between the braces of its flow mapping, on line 5 of the document."""
    more = f", {metadata}" if metadata else ""
    return f"---\napiVersion: tenantplan/v1\nkind: {kind}\nmetadata: {{ name: {name}{more} }}\nspec: {{ {spec} }}\n"


def an_organization(name: str = "acme", spec: str = "", metadata: str = "") -> str:
    """An organization with a display name."""
    return a_document("Organization", name, f"displayName: X{', ' + spec if spec else ''}", metadata)


def a_team(name: str = "web", spec: str = "", organization: str = "acme") -> str:
    """A team of an organization."""
    return a_document("Team", name, f"organization: {organization}, displayName: X{', ' + spec if spec else ''}")


def a_user(name: str = "anna@x.org", spec: str = "") -> str:
    """A user."""
    return a_document("User", name, f"displayName: X, role: CLIENT_EDITOR{', ' + spec if spec else ''}")


def a_kind(name: str, columns: str = "url: { type: text }", table: str = "", more: str = "") -> str:
    """A ResourceKind; its table is named after it unless `table` is given."""
    spec = f"table: {table or name.lower() + 's'}, key: name, columns: {{ {columns} }}{', ' + more if more else ''}"
    return a_document("ResourceKind", name, spec)


def documents(folder: Path, *texts: str, **files: str) -> list[Document]:
    """The documents of texts in one file `a.yaml` (or of files, by name), as the manifest loads them."""
    for name, text in {**({"a": "".join(texts)} if texts else {}), **files}.items():
        (folder / f"{name}.yaml").write_text(text)
    return load(folder, ["."], SPECS, NAME_RULES, definitions=DEFINITIONS, extend=specs_of)


def desired(folder: Path, *texts: str, facts: FleetFacts = FACTS, **files: str) -> Desired:
    """What they ask for."""
    return resolve(documents(folder, *texts, **files), facts)


def problems(folder: Path, *texts: str, **files: str) -> list[str]:
    """The mistakes that they make."""
    with pytest.raises(ManifestError) as caught:
        resolve(documents(folder, *texts, **files), FACTS)
    return caught.value.problems


def firsts(found: list[str]) -> list[str]:
    """The first line of each mistake: its place and message."""
    return [problem.splitlines()[0] for problem in found]


def row(found: Desired, address: str) -> Row:
    """A row of the desired state."""
    resource = found.state[address]
    assert isinstance(resource, Row)
    return resource
