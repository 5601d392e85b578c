"""The kinds of a manifest: one module each, a model of the YAML and a translator into rows.

The engine knows none of them: whoever adds a kind adds a module and a line here. ResourceKind documents add more
(definitions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tenantplan.manifest.kinds import (
    adminuser,
    bucket,
    custom,
    invitation,
    organization,
    project,
    release,
    team,
    template,
    tenant,
    tier,
    user,
)
from tenantplan.manifest.names import email_problem, name_problem
from tenantplan.model.rowtype import RowType
from tenantplan.tables import control, projects, storage

NameRule = Callable[[str], str | None]
DEFINITIONS = "ResourceKind"


@dataclass(frozen=True)
class Kind:
    """A kind: the model of its spec, its table, what is wrong with a name, and its translator into rows."""

    spec: type[BaseModel]
    rowtype: RowType
    name_problem: NameRule
    translate: Callable[..., None]
    description: str

    def address(self, name: str) -> str:
        """The address of the document of this kind called `name`."""
        return self.rowtype.address(name)


Kinds = Mapping[str, Kind]


def make_kind(module: Any, spec: type[BaseModel], rowtype: RowType, rule: NameRule = name_problem) -> Kind:
    """The Kind of a module or object that has a `translate`."""
    return Kind(spec, rowtype, rule, module.translate, (spec.__doc__ or "").strip())


KINDS: Kinds = {
    "Tier": make_kind(tier, tier.TierSpec, control.TIER),
    "Organization": make_kind(organization, organization.OrganizationSpec, control.ORGANIZATION),
    "Tenant": make_kind(tenant, tenant.TenantSpec, control.TENANT),
    "User": make_kind(user, user.UserSpec, control.USER, email_problem),
    "AdminUser": make_kind(adminuser, adminuser.AdminUserSpec, control.ADMIN_USER, email_problem),
    "Team": make_kind(team, team.TeamSpec, projects.TEAM),
    "Template": make_kind(template, template.TemplateSpec, projects.TEMPLATE),
    "Project": make_kind(project, project.ProjectSpec, projects.PROJECT),
    "Bucket": make_kind(bucket, bucket.BucketSpec, storage.BUCKET),
    "Invitation": make_kind(invitation, invitation.InvitationSpec, projects.INVITATION),
    "Release": make_kind(release, release.ReleaseSpec, storage.RELEASE),
}
SPECS: Mapping[str, type[BaseModel]] = {
    **{name: kind.spec for name, kind in KINDS.items()},
    DEFINITIONS: custom.ResourceKindSpec,
}
NAME_RULES: Mapping[str, NameRule] = {
    **{name: kind.name_problem for name, kind in KINDS.items()},
    DEFINITIONS: custom.name_problem,
}


def address(kind: str, name: str) -> str:
    """The address of a document of a built-in kind, such as `organization/msf`."""
    return KINDS[kind].address(name)
