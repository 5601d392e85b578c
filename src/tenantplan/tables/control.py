"""Organizations, users, tenants and what belongs to them."""

from __future__ import annotations

from tenantplan.model.rowtype import RowType

TIER = RowType(
    kind="tier",
    table="tiers",
    name="name",
    columns={"name": "text", "display_name": "text", "defaults": "json"},
)
_PLACEMENT = {
    "database_mode": "text",
    "database_server": "text",
    "database_name": "text",
}
ORGANIZATION = RowType(
    kind="organization",
    table="organizations",
    name="slug",
    columns={
        "slug": "text",
        "display_name": "text",
        "state": "text",
        "protect": "bool",
        "tier_id": "ref",
        "owner_id": "ref",
        "contact_email": "text",
        "company_name": "text",
        "phone": "text",
        "address": "text",
        "branding": "json",
        "feature_flags": "json",
        "labels": "json",
        **_PLACEMENT,
        "database_url": "text",  # the reference ("env:NAME"), never the connection string
        "database_connection": "encrypted",  # the connection string
        "database_revision": "text",  # that its own database stays at; NULL: the newest
        "connection_limit": "int",
        "statement_timeout": "int",  # ms
        "pool_size": "int",
        "pool_max_overflow": "int",
        "pool_timeout": "int",  # ms
    },
    refs={"tier_id": "tiers", "owner_id": "users"},
    enums={"state": "organization_state", "database_mode": "database_mode"},
    uses=("tier_id", "owner_id"),
    late=("owner_id",),
    written=("state", "owner_id", "contact_email", "company_name", "phone", "address", "branding", "feature_flags"),
    observed=("updated_at",),
    retired={"state": ("deleted", None)},
)
ORGANIZATION_SECRET = RowType(
    kind="secret",
    table="organization_secrets",
    name="name",
    parent="organization_id",
    columns={
        "organization_id": "ref",
        "name": "text",
        "value": "encrypted",
        "value_delivered_to": "text",
        "rotate_every_days": "int",
    },
    refs={"organization_id": "organizations"},
    observed=("rotated_at",),
    stamps={"value": "rotated_at"},
)
USER = RowType(
    kind="user",
    table="users",
    name="email",
    columns={"email": "text", "display_name": "text", "role": "text", "active": "bool", "organization_id": "ref"},
    refs={"organization_id": "organizations"},
    enums={"role": "user_role"},
    written=("active", "organization_id"),
    access=("active",),
    observed=("updated_at",),
)
ADMIN_USER = RowType(
    kind="adminuser",
    table="admin_users",
    name="email",
    columns={"email": "text", "name": "text", "role": "text", "active": "bool", "password_hash": "bcrypt"},
    enums={"role": "admin_role"},
    written=("active", "password_hash"),
    access=("active",),
    observed=("updated_at",),
)
MODULE = RowType(
    kind="module",
    table="organization_modules",
    name="name",
    parent="organization_id",
    columns={"organization_id": "ref", "name": "text", "enabled": "bool", "settings": "json"},
    refs={"organization_id": "organizations"},
    written=("enabled", "settings"),
    access=("enabled",),
    observed=("updated_at",),
)
MEMBER = RowType(
    kind="member",
    table="organization_members",
    name="user_id",
    parent="organization_id",
    columns={"organization_id": "ref", "user_id": "ref", "role": "text"},
    refs={"organization_id": "organizations", "user_id": "users"},
    enums={"role": "user_role"},
)
TENANT = RowType(
    kind="tenant",
    table="tenants",
    name="name",
    columns={
        "name": "text",
        "organization_id": "ref",
        "display_name": "text",
        "active": "bool",
        "protect": "bool",
        "license_key": "key",
        "license_key_delivered_to": "text",
        "contact_email": "text",
        "company_name": "text",
        "address": "text",
        "phone": "text",
        "labels": "json",
        **_PLACEMENT,
    },
    refs={"organization_id": "organizations"},
    enums={"database_mode": "database_mode"},
    home="organization_id",
    written=("active", "contact_email", "company_name", "address", "phone"),
    access=("active",),
    observed=("updated_at",),
    retired={"active": ("false", "true")},
)
LICENSE = RowType(
    kind="license",
    table="licenses",
    name="name",
    parent="tenant_id",
    columns={
        "tenant_id": "ref",
        "name": "text",
        "key": "key",
        "key_delivered_to": "text",
        "expires_at": "timestamp",
        "status": "text",
        "max_usage_count": "int",
        "notes": "text",
    },
    refs={"tenant_id": "tenants"},
    enums={"status": "license_status"},
    written=("expires_at", "status", "max_usage_count", "notes"),
    access=("expires_at", "status", "max_usage_count"),
    observed=("updated_at",),
)
# Not reconciled: what tenantplan generated itself. Here for what is true of every encrypted column.
DATABASE_LOGIN = RowType(
    kind="login",
    table="database_logins",
    name="role_name",
    columns={"role_name": "text", "password": "encrypted"},
)

# The tables of tenants: in every dedicated database, and in the main database for shared mode.
TENANT_TABLES = ("donors", "donor_preferences", "campaigns", "donations", "forms", "analytics_events")
