"""Kind Template: a master theme that projects are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence, Text
from tenantplan.model.placement import Placement
from tenantplan.tables import projects


class TemplateSpec(Spec):
    """A master theme that projects are made from."""

    display_name: Line = Field(description="Display name.")
    description: Text | None = Field(default=None, description="What it is for.")
    repository: Line | None = Field(default=None, description="Address of its source.")
    version: Line | None = Field(default=None, description="Version or tag that new projects start from.")
    active: bool = Field(default=True, description="Whether new projects may use it.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Anything else the application reads.")
    state: Presence = Field(default="active", description="`deleted` removes it, once no project uses it.")


def translate(draft: Draft, document: Document, spec: TemplateSpec, placements: Mapping[str, Placement]) -> None:
    """One row of templates."""
    values = {
        "name": document.name,
        "display_name": spec.display_name,
        "description": spec.description,
        "repository": spec.repository,
        "version": spec.version,
        "active": spec.active,
        "settings": spec.settings,
    }
    draft.item(projects.TEMPLATE.address(document.name), projects.TEMPLATE, spec, values, document)
