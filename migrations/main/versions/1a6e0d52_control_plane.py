"""control-plane tables: organizations, users, tenants, licenses and what belongs to them

A row with `managed_by` was made by the tenantplan fleet of that name; without, by the application.
"""

from alembic import op

revision = "1a6e0d52"
down_revision = None
branch_labels = None
depends_on = None

_ENUMS = {
    "organization_state": "'active', 'suspended', 'deleted'",
    "database_mode": "'inherit', 'shared', 'dedicated'",
    "user_role": "'SUPER_ADMIN', 'AGENCY_ADMIN', 'AGENCY_DEVELOPER', 'CLIENT_EDITOR'",
    "admin_role": "'SUPERADMIN', 'SUPPORT'",
    "license_status": "'ACTIVE', 'EXPIRED', 'REVOKED', 'PENDING'",
}

# Parents before children. Every table also gets id, managed_by, created_at and updated_at.
_TABLES = {
    "tiers": """
        name text NOT NULL UNIQUE,
        display_name text,
        defaults jsonb NOT NULL DEFAULT '{}'
    """,
    "organizations": """
        slug text NOT NULL UNIQUE,
        display_name text,
        state organization_state NOT NULL DEFAULT 'active',
        protect boolean NOT NULL DEFAULT true,
        tier_id uuid REFERENCES tiers (id) ON DELETE RESTRICT,
        contact_email text,
        company_name text,
        phone text,
        address text,
        branding jsonb NOT NULL DEFAULT '{}',
        feature_flags jsonb NOT NULL DEFAULT '{}',
        labels jsonb NOT NULL DEFAULT '{}',
        database_mode database_mode NOT NULL DEFAULT 'shared' CHECK (database_mode <> 'inherit'),
        database_server text,
        database_name text,
        database_url text CHECK (database_url ~ '^(env|file):'), -- where the URL is, never the URL
        connection_limit integer NOT NULL DEFAULT -1 CHECK (connection_limit >= -1),
        pool_size integer NOT NULL DEFAULT 10 CHECK (pool_size >= 0),
        pool_max_overflow integer NOT NULL DEFAULT 20 CHECK (pool_max_overflow >= -1),
        deleted_at timestamptz
    """,
    "users": """
        email text NOT NULL UNIQUE,
        display_name text,
        role user_role NOT NULL,
        active boolean NOT NULL DEFAULT true,
        organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE
    """,
    "admin_users": """
        email text NOT NULL UNIQUE,
        name text,
        role admin_role NOT NULL,
        active boolean NOT NULL DEFAULT true,
        password_hash text,
        password_fingerprint text, -- keyed hash of the declared password: bcrypt cannot tell whether it changed
        last_login_at timestamptz
    """,
    "organization_modules": """
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        name text NOT NULL,
        enabled boolean NOT NULL DEFAULT true,
        settings jsonb NOT NULL DEFAULT '{}',
        UNIQUE (organization_id, name)
    """,
    "organization_members": """
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        role user_role NOT NULL,
        UNIQUE (organization_id, user_id)
    """,
    "tenants": """
        name text NOT NULL UNIQUE,
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        display_name text,
        license_key text NOT NULL UNIQUE DEFAULT gen_random_uuid()::text,
        active boolean NOT NULL DEFAULT true,
        protect boolean NOT NULL DEFAULT true,
        contact_email text,
        company_name text,
        address text,
        phone text,
        labels jsonb NOT NULL DEFAULT '{}',
        database_mode database_mode NOT NULL DEFAULT 'inherit',
        database_server text,
        database_name text,
        deleted_at timestamptz
    """,
    "licenses": """
        key text NOT NULL UNIQUE DEFAULT gen_random_uuid()::text,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        name text NOT NULL,
        expires_at timestamptz,
        status license_status NOT NULL DEFAULT 'ACTIVE',
        usage_count integer NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
        max_usage_count integer CHECK (max_usage_count >= 0),
        notes text,
        UNIQUE (tenant_id, name)
    """,
}

_SESSIONS = """
    CREATE TABLE sessions (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        token_hash text NOT NULL UNIQUE,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        ip_address inet,
        user_agent text
    )
"""

# Foreign keys and what is searched by; the unique keys above already index what they begin with.
_INDEXES = {
    "organizations": ["tier_id"],
    "users": ["organization_id"],
    "organization_members": ["user_id"],
    "tenants": ["organization_id"],
    "licenses": ["tenant_id", "status"],
    "sessions": ["user_id", "expires_at"],
}


def upgrade() -> None:
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for name, labels in _ENUMS.items():
        op.execute(f"CREATE TYPE {name} AS ENUM ({labels})")
    for name, columns in _TABLES.items():
        op.execute(
            f"""
    CREATE TABLE {name} (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        {columns.strip()},
        managed_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )"""
        )
        op.create_index(f"{name}_managed_by_idx", name, ["managed_by"])
    op.execute(_SESSIONS)
    for table, columns in _INDEXES.items():
        for column in columns:
            op.create_index(f"{table}_{column}_idx", table, [column])


def downgrade() -> None:
    op.drop_table("sessions")
    for name in reversed(_TABLES):
        op.drop_table(name)
    for name in _ENUMS:
        op.execute(f"DROP TYPE {name}")
