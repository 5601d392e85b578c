"""Kind Tier: defaults for the organizations that name it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from tenantplan.documents import Document, Spec
from tenantplan.manifest.draft import Draft
from tenantplan.manifest.fields import Branding, Contact, DatabaseSettings, FeatureFlags, Line, Modules, Presence
from tenantplan.model.placement import Placement
from tenantplan.tables import control


class TierDefaults(Spec):
    """What an organization of the tier gets where it says nothing itself."""

    database: DatabaseSettings | None = Field(default=None, description="Default placement and limits.")
    feature_flags: FeatureFlags | None = Field(
        default=None, description="Default feature flags; an organization may override each."
    )
    modules: Modules | None = Field(
        default=None, description="Default modules; an organization may override or delete each."
    )
    branding: Branding | None = Field(default=None, description="Default branding.")
    contact: Contact | None = Field(default=None, description="Default contact.")


class TierSpec(Spec):
    """A service level: defaults for everything below it."""

    display_name: Line = Field(description="Display name.")
    state: Presence = Field(default="active", description="`deleted` removes it, once no document names it.")
    defaults: TierDefaults = Field(default_factory=TierDefaults, description="Defaults of its organizations.")


def translate(draft: Draft, document: Document, spec: TierSpec, placements: Mapping[str, Placement]) -> None:
    """One row of tiers; `defaults` is kept as written, so that people can look it up."""
    if spec.state == "deleted":
        draft.delete(control.TIER.address(document.name), document)
        return
    values = {
        "name": document.name,
        "display_name": spec.display_name,
        "defaults": spec.defaults.model_dump(by_alias=True, exclude_unset=True, exclude_none=True),
    }
    draft.row(control.TIER.address(document.name), control.TIER, values, document, spec=spec)
