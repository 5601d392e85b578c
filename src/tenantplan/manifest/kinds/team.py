"""Kind Team: people of an organization who work together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Email, Line, Name, Presence, Text
from tenantplan.manifest.marks import Names, Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref
from tenantplan.tables import control, projects


class TeamMember(Spec):
    """A user who works in the team."""

    user: Annotated[Email, Refers("User"), Names("member")] = Field(
        description="The user's e-mail address: the name of a User document."
    )
    role: Literal["OWNER", "ADMIN", "MEMBER"] = Field(default="MEMBER", description="What the user may do in the team.")
    state: Presence = Field(default="active", description="`deleted` removes the membership.")


class TeamSpec(Spec):
    """A team of an organization."""

    organization: Annotated[Line, Refers("Organization")] = Field(description="The organization it belongs to.")
    display_name: Line = Field(description="Display name.")
    slug: Name | None = Field(
        default=None, description="Name in addresses, unique in the organization; by default metadata.name."
    )
    description: Text | None = Field(default=None, description="What the team does.")
    members: list[TeamMember] = Field(default_factory=list, description="Its people, each with a role.")
    state: Presence = Field(default="active", description="`deleted` removes it with its buckets.")


def translate(draft: Draft, document: Document, spec: TeamSpec, placements: Mapping[str, Placement]) -> None:
    """The team's row and its memberships; of a deleted one only the team is named, what is in it goes with it."""
    address = projects.TEAM.address(document.name)
    values = {
        "declared_as": document.name,
        "organization_id": Ref(control.ORGANIZATION.address(spec.organization)),
        "slug": spec.slug or document.name,
        "display_name": spec.display_name,
        "description": spec.description,
    }
    draft.item(address, projects.TEAM, spec, values, document)
    for index, member in enumerate(spec.members if spec.state == "active" else ()):
        user = Ref(control.USER.address(member.user))
        row = {"team_id": Ref(address), "user_id": user, "role": member.role}
        nested = projects.TEAM_MEMBER.address(member.user, address)
        draft.item(nested, projects.TEAM_MEMBER, member, row, document, "spec", "members", index)
