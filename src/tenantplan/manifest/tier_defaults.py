"""Tier defaults merged under what an organization says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenantplan.manifest.kinds.organization import OrganizationSpec
from tenantplan.manifest.kinds.tier import TierSpec


def effective(spec: OrganizationSpec, tier: TierSpec | None) -> OrganizationSpec:
    """The organization with its tier's defaults: mappings merge at any depth, lists do not, the organization wins."""
    if tier is None:
        return spec
    own = spec.model_dump(by_alias=True, exclude_unset=True)
    defaults = tier.defaults.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    if spec.database.url is not None and "database" in defaults:  # a brought database is nowhere else
        defaults["database"] = {k: v for k, v in defaults["database"].items() if k not in ("mode", "server")}
    if spec.database.password is not None and "database" in defaults:  # which is one thing, however it is said
        defaults["database"].pop("password", None)
    if spec.database.read_only_password is not None and "database" in defaults:
        defaults["database"].pop("readOnlyPassword", None)
    return OrganizationSpec.model_validate(_merged(defaults, own))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
