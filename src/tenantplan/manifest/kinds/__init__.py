"""The kinds of a manifest: one module each, a model of the YAML and a translator into rows.

The engine knows none of them: whoever adds a kind adds a module and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tenantplan.manifest.kinds import adminuser, organization, tenant, tier, user
from tenantplan.manifest.names import email_problem, name_problem
from tenantplan.tables import control
from tenantplan.tables.rowtype import RowType


@dataclass(frozen=True)
class Kind:
    """A kind: the model of its spec, its table, what is wrong with a name, and its translator into rows."""

    spec: type[BaseModel]
    rowtype: RowType
    name_problem: Callable[[str], str | None]
    translate: Callable[..., None]
    description: str

    def address(self, name: str) -> str:
        """The address of the document of this kind called `name`."""
        return self.rowtype.address(name)


def _kind(module: Any, spec: type[BaseModel], rowtype: RowType, rule: Callable[[str], str | None]) -> Kind:
    return Kind(spec, rowtype, rule, module.translate, (spec.__doc__ or "").strip())


KINDS: Mapping[str, Kind] = {
    "Tier": _kind(tier, tier.TierSpec, control.TIER, name_problem),
    "Organization": _kind(organization, organization.OrganizationSpec, control.ORGANIZATION, name_problem),
    "Tenant": _kind(tenant, tenant.TenantSpec, control.TENANT, name_problem),
    "User": _kind(user, user.UserSpec, control.USER, email_problem),
    "AdminUser": _kind(adminuser, adminuser.AdminUserSpec, control.ADMIN_USER, email_problem),
}
SPECS: Mapping[str, type[BaseModel]] = {name: kind.spec for name, kind in KINDS.items()}
NAME_RULES: Mapping[str, Callable[[str], str | None]] = {name: kind.name_problem for name, kind in KINDS.items()}


def address(kind: str, name: str) -> str:
    """The address of a document, such as `organization/msf`."""
    return KINDS[kind].address(name)
