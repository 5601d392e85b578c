"""Kind Project: a client's site or storage space, with its API keys, image transformations and sub-clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from tenantplan.documents import Document, Reference, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Email, Line, Name, Presence, When
from tenantplan.manifest.marks import Names, Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref, Secret
from tenantplan.tables import control, projects, storage

# What an API key may do; docs/resources.md says what each means.
Permission = Literal[
    "PROJECT_READ", "PROJECT_WRITE",
    "FILE_READ", "FILE_WRITE", "FILE_DELETE", "FILE_LIST",
    "UPLOAD_CREATE", "UPLOAD_READ", "UPLOAD_CANCEL",
    "TRANSFORM_READ", "TRANSFORM_WRITE", "TRANSFORM_APPLY",
    "TENANT_READ", "TENANT_WRITE",
    "BUCKET_READ", "BUCKET_WRITE",
    "ANALYTICS_READ",
]  # fmt: skip
Pixels = Annotated[int, Field(ge=1, le=65_535)]


class ApiKey(Spec):
    """A key to the project's API. Only its SHA-256 is stored."""

    name: Annotated[Name, Names("API key")] = Field(description="Name of the key, unique in the project.")
    key: Reference = Field(description="Where the key is found: a random one, 20 characters or more.")
    permissions: list[Permission] = Field(default_factory=list, description="What the key may do.")
    user: Annotated[Email, Refers("User")] | None = Field(default=None, description="The user it was given to.")
    active: bool = Field(default=True, description="Whether it is accepted.")
    expires_at: When | None = Field(default=None, description="Date or date and time with offset; none: never.")
    state: Presence = Field(default="active", description="`deleted` removes the key.")


class Transform(Spec):
    """How images are transformed when they are served under this name."""

    name: Annotated[Name, Names("transform")] = Field(description="Name of the transformation, unique in the project.")
    width: Pixels | None = Field(default=None, description="Width in pixels.")
    height: Pixels | None = Field(default=None, description="Height in pixels.")
    fit: Literal["cover", "contain", "fill", "inside", "outside"] | None = Field(
        default=None, description="How the image is fitted into width and height."
    )
    format: Literal["avif", "gif", "jpeg", "png", "webp"] | None = Field(default=None, description="Image format.")
    quality: Annotated[int, Field(ge=1, le=100)] | None = Field(default=None, description="Quality, 1 to 100.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Anything else the application reads.")
    state: Presence = Field(default="active", description="`deleted` removes it.")


class ProjectTenant(Spec):
    """A sub-client of the project."""

    name: Annotated[Name, Names("tenant")] = Field(description="Name of the sub-client, unique in the project.")
    display_name: Line | None = Field(default=None, description="Display name.")
    active: bool = Field(default=True, description="Whether the application serves it.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Anything else the application reads.")
    state: Presence = Field(default="active", description="`deleted` removes it.")


class ProjectSpec(Spec):
    """A project of an organization: a client's site, or a space of the storage service."""

    organization: Annotated[Line, Refers("Organization")] = Field(description="The organization it belongs to.")
    display_name: Line = Field(description="Display name.")
    slug: Name | None = Field(
        default=None, description="Name in addresses, unique in the organization; by default metadata.name."
    )
    team: Annotated[Line, Refers("Team", same_organization=True)] | None = Field(
        default=None, description="The team that works on it, of the same organization."
    )
    template: Annotated[Line, Refers("Template")] | None = Field(
        default=None, description="The Template it is made from."
    )
    bucket: Annotated[Line, Refers("Bucket", same_organization=True)] | None = Field(
        default=None, description="The Bucket its files are in, of the same organization."
    )
    domain: Line | None = Field(default=None, description="Domain that it is served from.")
    status: Literal["CREATING", "BUILDING", "RUNNING", "STOPPED", "ERROR"] | None = Field(
        default=None,
        description="Status when it is made, as last known; what the application makes of it later is left alone.",
    )
    protect: bool = Field(default=True, description="Refuse deletion. Lift it in one apply, delete in a later one.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Anything else the application reads.")
    api_keys: list[ApiKey] = Field(default_factory=list, description="Keys to its API.")
    transforms: list[Transform] = Field(default_factory=list, description="Image transformations.")
    tenants: list[ProjectTenant] = Field(default_factory=list, description="Sub-clients.")
    state: Presence = Field(
        default="active", description="`deleted` marks it as deleted; it is removed after the grace period."
    )


def translate(draft: Draft, document: Document, spec: ProjectSpec, placements: Mapping[str, Placement]) -> None:
    """The project's row and what is nested in it; a deleted one is only named, what is in it goes with it."""
    address = projects.PROJECT.address(document.name)
    fields = {"team_id": ("team",), "template_id": ("template",), "bucket_id": ("bucket",)}
    draft.item(address, projects.PROJECT, spec, _values(document, spec), document, fields=fields)
    if spec.state == "deleted":
        return
    for index, key in enumerate(spec.api_keys):
        nested = projects.API_KEY.address(key.name, address)
        path, fields = ("spec", "apiKeys", index), {"user_id": ("user",)}
        draft.item(nested, projects.API_KEY, key, _key(key, address), document, *path, fields=fields)
    for index, transform in enumerate(spec.transforms):
        nested = projects.TRANSFORM.address(transform.name, address)
        values = {"project_id": Ref(address), **transform.model_dump(exclude={"state"})}
        draft.item(nested, projects.TRANSFORM, transform, values, document, "spec", "transforms", index)
    for index, tenant in enumerate(spec.tenants):
        nested = projects.PROJECT_TENANT.address(tenant.name, address)
        values = {"project_id": Ref(address), **tenant.model_dump(exclude={"state"})}
        draft.item(nested, projects.PROJECT_TENANT, tenant, values, document, "spec", "tenants", index)


def _values(document: Document, spec: ProjectSpec) -> dict[str, object]:
    return {
        "declared_as": document.name,
        "organization_id": Ref(control.ORGANIZATION.address(spec.organization)),
        "team_id": Ref(projects.TEAM.address(spec.team)) if spec.team else None,
        "template_id": Ref(projects.TEMPLATE.address(spec.template)) if spec.template else None,
        "bucket_id": Ref(storage.BUCKET.address(spec.bucket)) if spec.bucket else None,
        "slug": spec.slug or document.name,
        "display_name": spec.display_name,
        "domain": spec.domain,
        "status": spec.status,
        "protect": spec.protect,
        "settings": spec.settings,
        "labels": dict(sorted(document.labels.items())),
    }


def _key(key: ApiKey, project: str) -> dict[str, object]:
    return {
        "project_id": Ref(project),
        "user_id": Ref(control.USER.address(key.user)) if key.user else None,
        "name": key.name,
        "key_hash": Secret(key.key.text),
        "permissions": sorted(set(key.permissions)),
        "active": key.active,
        "expires_at": key.expires_at,
    }
