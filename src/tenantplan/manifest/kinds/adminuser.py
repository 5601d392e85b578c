"""Kind AdminUser: a person who administers the platform; its name is the e-mail address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from tenantplan.documents import Document, Reference, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Line, Presence
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Secret
from tenantplan.tables import control


class AdminUserSpec(Spec):
    """An administrator of the platform; metadata.name is the e-mail address."""

    display_name: Line = Field(description="Display name.")
    role: Literal["SUPERADMIN", "SUPPORT"] = Field(description="What the administrator may do.")
    active: bool = Field(default=True, description="Whether the administrator may log in.")
    password: Reference | None = Field(
        default=None, description="Where the password is found; only its bcrypt hash is stored."
    )
    state: Presence = Field(default="active", description="`deleted` removes the administrator.")


def translate(draft: Draft, document: Document, spec: AdminUserSpec, placements: Mapping[str, Placement]) -> None:
    """One row of admin_users."""
    address = control.ADMIN_USER.address(document.name)
    if spec.state == "deleted":
        draft.delete(address, document)
        return
    values = {
        "email": document.name,
        "name": spec.display_name,
        "role": spec.role,
        "active": spec.active,
        "password_hash": Secret(spec.password.text) if spec.password else None,
    }
    fields = {"password_hash": ("password",)}
    draft.row(address, control.ADMIN_USER, values, document, spec=spec, fields=fields)
