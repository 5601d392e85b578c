"""Teams, projects, templates and invitations (requirements.md A3, A5, E1, E2, E5 to E7)."""

from __future__ import annotations

from tenantplan.model.rowtype import RowType

TEMPLATE = RowType(
    kind="template",
    table="templates",
    name="name",
    columns={
        "name": "text",
        "display_name": "text",
        "description": "text",
        "repository": "text",
        "version": "text",
        "active": "bool",
        "settings": "json",
    },
)
TEAM = RowType(
    kind="team",
    table="teams",
    name="declared_as",
    columns={
        "declared_as": "text",
        "organization_id": "ref",
        "slug": "text",
        "display_name": "text",
        "description": "text",
    },
    refs={"organization_id": "organizations"},
    key=("organization_id", "slug"),
    home="organization_id",
)
TEAM_MEMBER = RowType(
    kind="member",
    table="team_members",
    name="user_id",
    parent="team_id",
    columns={"team_id": "ref", "user_id": "ref", "role": "text"},
    refs={"team_id": "teams", "user_id": "users"},
    enums={"role": "team_role"},
)
PROJECT = RowType(
    kind="project",
    table="projects",
    name="declared_as",
    columns={
        "declared_as": "text",
        "organization_id": "ref",
        "team_id": "ref",
        "template_id": "ref",
        "bucket_id": "ref",
        "slug": "text",
        "display_name": "text",
        "domain": "text",
        "status": "text",
        "protect": "bool",
        "settings": "json",
        "labels": "json",
    },
    refs={"organization_id": "organizations", "team_id": "teams", "template_id": "templates", "bucket_id": "buckets"},
    enums={"status": "project_status"},
    key=("organization_id", "slug"),
    home="organization_id",
    uses=("team_id", "template_id", "bucket_id"),
    once=("status",),
    observed=("status",),
    retired={"status": ("DELETED", "STOPPED")},
)
API_KEY = RowType(
    kind="apikey",
    table="api_keys",
    name="name",
    parent="project_id",
    columns={
        "project_id": "ref",
        "user_id": "ref",
        "name": "text",
        "key_hash": "sha256",
        "permissions": "list",
        "active": "bool",
        "expires_at": "timestamp",
    },
    refs={"project_id": "projects", "user_id": "users"},
    enums={"permissions": "api_permission"},
    uses=("user_id",),
)
TRANSFORM = RowType(
    kind="transform",
    table="transforms",
    name="name",
    parent="project_id",
    columns={
        "project_id": "ref",
        "name": "text",
        "width": "int",
        "height": "int",
        "fit": "text",
        "format": "text",
        "quality": "int",
        "settings": "json",
    },
    refs={"project_id": "projects"},
)
PROJECT_TENANT = RowType(
    kind="tenant",
    table="project_tenants",
    name="name",
    parent="project_id",
    columns={"project_id": "ref", "name": "text", "display_name": "text", "active": "bool", "settings": "json"},
    refs={"project_id": "projects"},
)
INVITATION = RowType(
    kind="invitation",
    table="invitations",
    name="declared_as",
    columns={
        "declared_as": "text",
        "organization_id": "ref",
        "team_id": "ref",
        "invited_by_id": "ref",
        "email": "text",
        "role": "text",
        "status": "text",
        "expires_at": "timestamp",
    },
    refs={"organization_id": "organizations", "team_id": "teams", "invited_by_id": "users"},
    enums={"role": "user_role", "status": "invitation_status"},
    key=("organization_id", "email"),
    home="organization_id",
    uses=("invited_by_id",),
    once=("status",),
    observed=("status",),
)
