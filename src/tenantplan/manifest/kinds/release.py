"""Kind Release: a version of the software that nodes install, with its package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence, Text
from tenantplan.model import address as addresses
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Package
from tenantplan.tables import storage

_VERSION = r"[0-9A-Za-z]([0-9A-Za-z.+_-]{0,62}[0-9A-Za-z])?"
_DIGEST = r"[0-9a-f]{64}"


def _version(text: str) -> str:
    if not re.fullmatch(_VERSION, text):
        raise ValueError("a version is letters, digits and . + _ -, such as 2.4.0 (in quotes if it is a number)")
    return text


def _digest(text: str) -> str:
    if not re.fullmatch(_DIGEST, text):
        raise ValueError("a SHA-256 is 64 hexadecimal digits in lower case")
    return text


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or not path.name or any(part.startswith(".") for part in path.parts):
        raise ValueError("the path starts at the folder of tenantplan.yaml, stays in it, and nothing on it is hidden")
    return text


class ReleaseSpec(Spec):
    """An update package: a version with its file."""

    version: Annotated[str, AfterValidator(_version), Field(json_schema_extra={"pattern": f"^{_VERSION}$"})] = Field(
        description="The version, once in the fleet. Its file never changes."
    )
    file: Annotated[Line, AfterValidator(_relative)] = Field(
        description="The package, a path from the folder of tenantplan.yaml. It is uploaded by apply."
    )
    sha256: Annotated[str, AfterValidator(_digest), Field(json_schema_extra={"pattern": f"^{_DIGEST}$"})] | None = (
        Field(default=None, description="Expected SHA-256 of the file.")
    )
    changelog: Text | None = Field(default=None, description="What is new.")
    active: bool = Field(default=True, description="Whether nodes may install it.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Anything else that nodes read.")
    state: Presence = Field(
        default="active", description="`deleted` withdraws it; its file goes after the grace period."
    )


def translate(draft: Draft, document: Document, spec: ReleaseSpec, placements: Mapping[str, Placement]) -> None:
    """The release's row and its package; size, checksum and place of the file are filled in from the file."""
    address = storage.RELEASE.address(document.name)
    values = {
        "declared_as": document.name,
        "version": spec.version,
        "changelog": spec.changelog,
        "filename": PurePosixPath(spec.file).name,
        "active": spec.active,
        "metadata": spec.metadata,
    }
    draft.item(address, storage.RELEASE, spec, values, document)
    package = addresses.package(spec.version)
    if spec.state == "deleted":
        draft.delete(package, document)
    else:
        resource = Package(spec.version, "", "", 0, spec.sha256 or "", source=spec.file, holder=address)
        draft.resource(package, resource, document, "spec", "file")
