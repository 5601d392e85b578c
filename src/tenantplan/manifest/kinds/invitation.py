"""Kind Invitation: a person invited to join an organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Email, Line, Presence, UserRole, When
from tenantplan.manifest.marks import Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref
from tenantplan.tables import control, projects


class InvitationSpec(Spec):
    """An invitation to an organization, and to one of its teams."""

    organization: Annotated[Line, Refers("Organization")] = Field(description="The organization it is for.")
    email: Email = Field(description="Who is invited; once in an organization.")
    role: UserRole = Field(description="What the invited person will be able to do.")
    team: Annotated[Line, Refers("Team", same_organization=True)] | None = Field(
        default=None, description="A team of the organization that the person joins."
    )
    invited_by: Annotated[Email, Refers("User")] | None = Field(default=None, description="The user who invites.")
    expires_at: When | None = Field(
        default=None, description="Date (midnight UTC) or date and time with offset; none: never."
    )
    status: Literal["PENDING", "ACCEPTED", "DECLINED", "EXPIRED", "REVOKED"] = Field(
        default="PENDING", description="Status when it is made; what the application makes of it later is left alone."
    )
    state: Presence = Field(default="active", description="`deleted` removes it.")


def translate(draft: Draft, document: Document, spec: InvitationSpec, placements: Mapping[str, Placement]) -> None:
    """One row of invitations."""
    values = {
        "declared_as": document.name,
        "organization_id": Ref(control.ORGANIZATION.address(spec.organization)),
        "team_id": Ref(projects.TEAM.address(spec.team)) if spec.team else None,
        "invited_by_id": Ref(control.USER.address(spec.invited_by)) if spec.invited_by else None,
        "email": spec.email,
        "role": spec.role,
        "status": spec.status,
        "expires_at": spec.expires_at,
    }
    address = projects.INVITATION.address(document.name)
    fields = {"team_id": ("team",), "invited_by_id": ("invited_by",)}
    draft.item(address, projects.INVITATION, spec, values, document, fields=fields)
