"""Kind Tenant: a customer or node of an organization, with its licences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import (
    CONTACT,
    Contact,
    DatabaseName,
    Line,
    Name,
    Presence,
    Server,
    Text,
    UnsignedInt,
    When,
)
from tenantplan.manifest.kinds.secrets import GivenKey
from tenantplan.manifest.marks import Names, Refers
from tenantplan.model.placement import Placement
from tenantplan.model.resource import Ref
from tenantplan.model.rowtype import DELIVERED
from tenantplan.settings.targets import TargetName
from tenantplan.tables import control


class TenantDatabase(Spec):
    """Where the tenant's data lives."""

    mode: Literal["inherit", "shared", "dedicated", "none"] = Field(
        default="inherit",
        description="`inherit`: where its organization's does. Without an organization `none`, its rows in the control plane"
        " alone (the default there), or `dedicated`.",
    )
    server: Server | None = Field(
        default=None,
        description="Server of its own database: its name, `{ tags: … }` or `auto`; by default its organization's.",
    )
    name: DatabaseName | None = Field(default=None, description="Name of its own database; by default prefix and name.")

    @model_validator(mode="after")
    def _only_when_dedicated(self) -> Self:
        if self.mode != "dedicated" and (self.server is not None or self.name is not None):
            raise ValueError(f"`server` and `name` belong to `mode: dedicated`; this is `mode: {self.mode}`")
        return self


class License(Spec):
    """A licence. Its usage count belongs to the database, and so does its key where none is declared."""

    name: Annotated[Name, Names("licence")] = Field(description="Name of the licence, unique in the tenant.")
    expires_at: When | None = Field(
        default=None, description="Date (midnight UTC) or date and time with offset; none: never."
    )
    max_usage: UnsignedInt | None = Field(default=None, description="Most uses; none: no limit.")
    status: Literal["ACTIVE", "EXPIRED", "REVOKED", "PENDING"] = Field(default="ACTIVE", description="Status.")
    notes: Text | None = Field(default=None, description="Free text.")
    key: GivenKey | None = Field(
        default=None, description="Its key, by reference, or `{ generate: true }`; none: the database makes one up."
    )
    deliver: TargetName = Field(default="main", description="Where a generated key goes beside the main database.")
    state: Presence = Field(default="active", description="`deleted` removes the licence.")


class TenantSpec(Spec):
    """A tenant of an organization: a node, a site, a sub-client."""

    organization: Annotated[Line, Refers("Organization")] | None = Field(
        default=None, description="The organization it belongs to; none: a customer by itself."
    )
    display_name: Line = Field(description="Display name.")
    state: Presence = Field(default="active", description="`deleted` removes it after its protection was lifted.")
    protect: bool = Field(default=True, description="Refuse deletion. Lift it in one apply, delete in a later one.")
    active: bool = Field(default=True, description="Whether the application serves it.")
    license_key: GivenKey | None = Field(
        default=None, description="Its own key, by reference, or `{ generate: true }`; none: the database makes one up."
    )
    deliver: TargetName = Field(default="main", description="Where a generated key goes beside the main database.")
    contact: Contact = Field(default_factory=Contact, description="Contact person and address.")
    database: TenantDatabase = Field(default_factory=TenantDatabase, description="Where its data lives.")
    licenses: list[License] = Field(default_factory=list, description="Its licences.")

    @property
    def mode(self) -> str:
        """Where its data lives: "inherit", "shared", "dedicated" or "none"."""
        inherits = self.database.mode == "inherit" and self.organization is None
        return "none" if inherits else self.database.mode

    @model_validator(mode="after")
    def _lives_somewhere(self) -> Self:
        said = "mode" in self.database.model_fields_set
        if self.organization is None and said and self.database.mode in ("inherit", "shared"):
            raise ValueError(
                f"`mode: {self.database.mode}` takes an `organization`; a tenant without one has `mode: dedicated` or `none`"
            )
        if self.organization is not None and self.database.mode == "none":
            raise ValueError("`mode: none` is for a tenant without `organization`")
        return self


def translate(draft: Draft, document: Document, spec: TenantSpec, placements: Mapping[str, Placement]) -> None:
    """The tenant's row and its licences; a deleted one is only named, what is in it goes with it."""
    address = control.TENANT.address(document.name)
    if spec.state == "deleted":
        draft.delete(address, document)
        return
    values = _values(document, spec, placements[address])
    draft.row(address, control.TENANT, values, document, spec=spec, fields=CONTACT)
    for index, item in enumerate(spec.licenses):
        _license(draft, document, item, address, ("spec", "licenses", index))


def _values(document: Document, spec: TenantSpec, placement: Placement) -> dict[str, object]:
    inherits = spec.mode == "inherit"
    return {
        "name": document.name,
        "organization_id": Ref(control.ORGANIZATION.address(spec.organization)) if spec.organization else None,
        "display_name": spec.display_name,
        "active": spec.active,
        "protect": spec.protect,
        **_key("license_key", spec.license_key, spec.deliver),
        "contact_email": spec.contact.email,
        "company_name": spec.contact.company,
        "address": spec.contact.address,
        "phone": spec.contact.phone,
        "labels": dict(sorted(document.labels.items())),
        "database_mode": "inherit" if inherits else None if placement.mode == "none" else placement.mode,
        "database_server": None if inherits else placement.server,
        "database_name": None if inherits else placement.database,
    }


def _license(draft: Draft, document: Document, item: License, parent: str, path: tuple[str | int, ...]) -> None:
    values = {
        "tenant_id": Ref(parent),
        "name": item.name,
        "expires_at": item.expires_at,
        "status": item.status,
        "max_usage_count": item.max_usage,
        "notes": item.notes,
        **_key("key", item.key, item.deliver),
    }
    address, fields = control.LICENSE.address(item.name, parent), {"max_usage_count": ("max_usage",)}
    draft.item(address, control.LICENSE, item, values, document, *path, fields=fields)


def _key(column: str, key: GivenKey | None, deliver: str) -> dict[str, object]:
    """The values of a key that is declared; without one it is the database's, and none of a plan's business."""
    if key is None:
        return {}
    return {column: key.secret(deliver), column + DELIVERED: key.delivered_to(deliver)}
