"""Kind User: a person who logs in to the application; its name is the e-mail address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence, UserRole
from tenantplan.manifest.marks import Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref
from tenantplan.tables import control


class UserSpec(Spec):
    """A user of the application; metadata.name is the e-mail address."""

    display_name: Line = Field(description="Display name.")
    role: UserRole = Field(description="What the user may do.")
    active: bool = Field(default=True, description="Whether the user may log in.")
    organization: Annotated[Line, Refers("Organization")] | None = Field(
        default=None, description="The organization the user belongs to, if one."
    )
    state: Presence = Field(default="active", description="`deleted` removes the user.")


def translate(draft: Draft, document: Document, spec: UserSpec, placements: Mapping[str, Placement]) -> None:
    """One row of users."""
    address = control.USER.address(document.name)
    if spec.state == "deleted":
        draft.delete(address, document)
        return
    values = {
        "email": document.name,
        "display_name": spec.display_name,
        "role": spec.role,
        "active": spec.active,
        "organization_id": Ref(control.ORGANIZATION.address(spec.organization)) if spec.organization else None,
    }
    fields = {"organization_id": ("organization",)}
    draft.row(address, control.USER, values, document, spec=spec, fields=fields)
