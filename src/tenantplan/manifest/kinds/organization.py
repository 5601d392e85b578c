"""Kind Organization: a customer with its members, modules, flags, and the database its data lives in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tenantplan.documents import Document, Reference, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import (
    CONTACT,
    Branding,
    Contact,
    DatabaseName,
    DatabaseSettings,
    Email,
    FeatureFlags,
    Line,
    ModuleName,
    Modules,
    Presence,
    RevisionId,
    UserRole,
    milliseconds,
)
from tenantplan.manifest.kinds.secrets import GivenSecret
from tenantplan.manifest.marks import Names, Refers
from tenantplan.manifest.password_fields import LoginPassword, Rotation
from tenantplan.model.placement import Placement
from tenantplan.model.resource import GENERATED, Ref, Secret
from tenantplan.settings.targets import TargetName
from tenantplan.tables import control


class OrganizationDatabase(DatabaseSettings):
    """Where the organization's data lives."""

    name: DatabaseName | None = Field(
        default=None, description="Name of the dedicated database; by default prefix and name."
    )
    url: Reference | None = Field(
        default=None, description="A database the organization brings itself, instead of server and name."
    )
    password: LoginPassword | None = Field(default=None, description="Password of the organization's login role.")
    revision: RevisionId | None = Field(
        default=None,
        description="Revision that its own database stays at, or goes back to (see `migrations revert`); by default the newest.",
    )

    read_only_password: LoginPassword | None = Field(
        default=None,
        description="Password of the read-only login role; by default generated where `password` is.",
    )

    @property
    def secret(self) -> str | None:
        """The password as a reference: `env:NAME`, `file:path`, or `generate:TARGET`; None: there is none."""
        if self.password is None:
            return None
        reference = self.password.reference
        return reference.text if reference else f"{GENERATED}{self.deliver}"

    @property
    def generated(self) -> Rotation | None:
        """How the password is replaced, when tenantplan generates it."""
        return self.rotation if self.password is not None and self.password.generate else None

    @property
    def _reader(self) -> LoginPassword | None:
        """How the login that only reads gets its password: as it says itself, else as the application's where that is generated."""
        inherited = self.password if self.password is not None and self.password.generate else None
        return (self.read_only_password or inherited) if self.read_only else None

    @property
    def reader_secret(self) -> str | None:
        """The same as `secret`, of the login that only reads."""
        if self._reader is None:
            return None
        reference = self._reader.reference
        return reference.text if reference else f"{GENERATED}{self.deliver}"

    @property
    def reader_generated(self) -> Rotation | None:
        """The same as `generated`, of the login that only reads."""
        return self.rotation if self._reader is not None and self._reader.generate else None

    @model_validator(mode="after")
    def _read_only_password_has_a_login(self) -> Self:
        if self.read_only_password is not None and "read_only" in self.model_fields_set and not self.read_only:
            raise ValueError("`readOnlyPassword` is for the login that `readOnly: true` makes: say that, or remove it")
        return self

    @model_validator(mode="after")
    def _url_stands_alone(self) -> Self:
        if self.url is None:
            return self
        if "mode" in self.model_fields_set and self.mode == "shared":
            raise ValueError("`url` names a database of its own, and `mode: shared` refuses one: keep one of the two")
        if self.name is not None or self.server is not None:
            raise ValueError("`url` replaces `server` and `name`: keep either")
        return self


class Member(Spec):
    """A user who works for the organization."""

    user: Annotated[Email, Refers("User"), Names("member")] = Field(
        description="The user's e-mail address: the name of a User document."
    )
    role: UserRole = Field(description="What the user may do here.")
    state: Presence = Field(default="active", description="`deleted` removes the membership.")


class OrganizationSecret(Spec):
    """A secret that the organization's application uses, kept encrypted in the main database."""

    value: GivenSecret = Field(
        description="Where its value is found, or `{ generate: true, bytes: 32 }`: tenantplan makes it up."
    )
    deliver: TargetName = Field(
        default="main",
        description="Where a generated one goes beside the main database, where it is encrypted: a target of the fleet file.",
    )
    rotate_every_days: int = Field(
        default=90, ge=1, le=3650, description="Days after which the plan says that it is due to get a new value."
    )
    state: Presence = Field(default="active", description="`deleted` removes it.")


class OrganizationSpec(Spec):
    """A customer organization."""

    display_name: Line = Field(description="Display name.")
    state: Literal["active", "suspended", "deleted"] = Field(
        default="active",
        description="`suspended` closes logins and connections; `deleted` removes it after its protection was lifted.",
    )
    protect: bool = Field(default=True, description="Refuse deletion. Lift it in one apply, delete in a later one.")
    tier: Annotated[Line, Refers("Tier")] | None = Field(
        default=None, description="The Tier that gives defaults for everything below."
    )
    owner: Annotated[Email, Refers("User", late=True)] | None = Field(
        default=None, description="The user responsible for it: the name of a User document."
    )
    contact: Contact = Field(default_factory=Contact, description="Contact person and address.")
    branding: Branding = Field(default_factory=Branding, description="White-label settings.")
    feature_flags: FeatureFlags = Field(default_factory=dict, description="Feature flags, such as MAGIC_WAND: true.")
    modules: Modules = Field(default_factory=dict, description="Modules by name.")
    members: list[Member] = Field(default_factory=list, description="Users of the organization, each with a role.")
    secrets: dict[ModuleName, OrganizationSecret] = Field(
        default_factory=dict, description="Secrets of its application by name, such as session and jwt."
    )
    database: OrganizationDatabase = Field(default_factory=OrganizationDatabase, description="Where its data lives.")


def translate(draft: Draft, document: Document, spec: OrganizationSpec, placements: Mapping[str, Placement]) -> None:
    """The organization's row with its modules and members; a deleted one is only named, what is in it goes with it."""
    address = control.ORGANIZATION.address(document.name)
    if spec.state == "deleted":
        draft.delete(address, document)
        return
    values = _values(draft, document, spec, placements[address])
    fields = {"owner_id": ("owner",), **CONTACT}
    draft.row(address, control.ORGANIZATION, values, document, spec=spec, fields=fields)
    _modules(draft, document, spec, address)
    _members(draft, document, spec, address)
    _secrets(draft, document, spec, address)


def _values(draft: Draft, document: Document, spec: OrganizationSpec, placement: Placement) -> dict[str, object]:
    pool = spec.database.pool
    size, overflow = (
        getattr(pool, name) if name in pool.model_fields_set else default
        for name, default in zip(("size", "max_overflow"), draft.pool, strict=True)
    )
    connection = {"database_connection": Secret(placement.url) if placement.url else None}
    return {
        "slug": document.name,
        "display_name": spec.display_name,
        "state": spec.state,
        "protect": spec.protect,
        "tier_id": Ref(control.TIER.address(spec.tier)) if spec.tier else None,
        "owner_id": Ref(control.USER.address(spec.owner)) if spec.owner else None,
        "contact_email": spec.contact.email,
        "company_name": spec.contact.company,
        "phone": spec.contact.phone,
        "address": spec.contact.address,
        "branding": spec.branding.model_dump(by_alias=True, exclude_unset=True, exclude_none=True),
        "feature_flags": dict(sorted(spec.feature_flags.items())),
        "labels": dict(sorted(document.labels.items())),
        "database_mode": placement.mode,
        "database_server": placement.server,
        "database_name": placement.database,
        "database_url": placement.url,
        "database_revision": spec.database.revision,
        "connection_limit": spec.database.connection_limit,
        "statement_timeout": milliseconds(spec.database.statement_timeout),
        "pool_size": size,
        "pool_max_overflow": overflow,
        "pool_timeout": milliseconds(pool.timeout),
        **(connection if draft.encrypts or placement.url is None else {}),
    }


def _modules(draft: Draft, document: Document, spec: OrganizationSpec, parent: str) -> None:
    for name, module in spec.modules.items():
        values = {"name": name, "enabled": module.enabled, "settings": module.settings, "organization_id": Ref(parent)}
        address = control.MODULE.address(name, parent)
        draft.item(address, control.MODULE, module, values, document, "spec", "modules", name)


def _members(draft: Draft, document: Document, spec: OrganizationSpec, parent: str) -> None:
    for index, member in enumerate(spec.members):
        user = Ref(control.USER.address(member.user))
        values = {"organization_id": Ref(parent), "user_id": user, "role": member.role}
        address = control.MEMBER.address(member.user, parent)
        draft.item(address, control.MEMBER, member, values, document, "spec", "members", index)


def _secrets(draft: Draft, document: Document, spec: OrganizationSpec, parent: str) -> None:
    for name, secret in spec.secrets.items():
        values = {
            "organization_id": Ref(parent),
            "name": name,
            "value": secret.value.secret(secret.deliver),
            "value_delivered_to": secret.value.delivered_to(secret.deliver),
            "rotate_every_days": secret.rotate_every_days,
        }
        address = control.ORGANIZATION_SECRET.address(name, parent)
        draft.item(address, control.ORGANIZATION_SECRET, secret, values, document, "spec", "secrets", name)
