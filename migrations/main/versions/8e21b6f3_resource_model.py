"""resource model: teams, projects, templates, buckets, releases, and the tables that applications fill

`declared_as` is the name of the YAML document of a row that tenantplan made; rows of the application have none.
"""

from alembic import op

revision = "8e21b6f3"
down_revision = "4c83f7d9"
branch_labels = None
depends_on = None

# What an API key may do; docs/resources.md says what each means.
API_PERMISSIONS = (
    "PROJECT_READ", "PROJECT_WRITE",
    "FILE_READ", "FILE_WRITE", "FILE_DELETE", "FILE_LIST",
    "UPLOAD_CREATE", "UPLOAD_READ", "UPLOAD_CANCEL",
    "TRANSFORM_READ", "TRANSFORM_WRITE", "TRANSFORM_APPLY",
    "TENANT_READ", "TENANT_WRITE",
    "BUCKET_READ", "BUCKET_WRITE",
    "ANALYTICS_READ",
)  # fmt: skip
_ENUMS = {
    "team_role": ("OWNER", "ADMIN", "MEMBER"),
    "project_status": ("CREATING", "BUILDING", "RUNNING", "STOPPED", "ERROR", "DELETED"),
    "deployment_status": ("PENDING", "BUILDING", "SUCCESS", "FAILED", "CANCELLED"),
    "bucket_access": ("READ_ONLY", "READ_WRITE", "ADMIN"),
    "api_permission": API_PERMISSIONS,
    "upload_status": ("PENDING", "UPLOADING", "COMPLETED", "FAILED", "CANCELLED"),
    "log_level": ("INFO", "WARNING", "ERROR", "CRITICAL"),
    "log_source": ("NODE", "BACKEND", "SYSTEM"),
}

_ORGANIZATIONS = """
    ALTER TABLE organizations
        DROP CONSTRAINT organizations_tier_id_fkey, -- one that is deleted and kept for its grace period does not hold its tier
        ADD CONSTRAINT organizations_tier_id_fkey FOREIGN KEY (tier_id) REFERENCES tiers (id) ON DELETE SET NULL,
        ADD COLUMN owner_id uuid REFERENCES users (id) ON DELETE SET NULL,
        ADD COLUMN statement_timeout integer CHECK (statement_timeout > 0), -- ms
        ADD COLUMN database_connection bytea -- the connection string, encrypted; the reference is in database_url
"""

# Reconciled tables, parents before children. Every one also gets id, managed_by, created_at and updated_at.
# DEFERRABLE: two rows may exchange what is unique in one transaction.
_TABLES = {
    "templates": """
        name text NOT NULL UNIQUE,
        display_name text,
        description text,
        repository text,
        version text,
        active boolean NOT NULL DEFAULT true,
        settings jsonb NOT NULL DEFAULT '{}'
    """,
    "teams": """
        declared_as text UNIQUE,
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        slug text NOT NULL,
        display_name text,
        description text,
        UNIQUE (organization_id, slug) DEFERRABLE
    """,
    "team_members": """
        team_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        role team_role NOT NULL DEFAULT 'MEMBER',
        UNIQUE (team_id, user_id)
    """,
    "buckets": """
        declared_as text UNIQUE,
        owner_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
        provider text NOT NULL,
        name text NOT NULL,
        region text,
        endpoint text,
        access_key bytea, -- both encrypted
        secret_key bytea,
        UNIQUE (owner_id, name, provider) DEFERRABLE
    """,
    "bucket_team_access": """
        bucket_id uuid NOT NULL REFERENCES buckets (id) ON DELETE CASCADE,
        team_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
        access bucket_access NOT NULL,
        UNIQUE (bucket_id, team_id)
    """,
    "projects": """
        declared_as text UNIQUE,
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        team_id uuid REFERENCES teams (id) ON DELETE SET NULL,
        template_id uuid REFERENCES templates (id) ON DELETE SET NULL,
        bucket_id uuid REFERENCES buckets (id) ON DELETE SET NULL,
        slug text NOT NULL,
        display_name text,
        domain text,
        status project_status NOT NULL DEFAULT 'CREATING',
        protect boolean NOT NULL DEFAULT false,
        settings jsonb NOT NULL DEFAULT '{}',
        labels jsonb NOT NULL DEFAULT '{}',
        deleted_at timestamptz,
        UNIQUE (organization_id, slug) DEFERRABLE
    """,
    "api_keys": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        user_id uuid REFERENCES users (id) ON DELETE SET NULL,
        name text NOT NULL,
        key_hash text NOT NULL UNIQUE DEFERRABLE CHECK (key_hash ~ '^[0-9a-f]{64}$'), -- SHA-256; the key itself is nowhere
        permissions api_permission[] NOT NULL DEFAULT '{}',
        active boolean NOT NULL DEFAULT true,
        expires_at timestamptz,
        last_used_at timestamptz,
        UNIQUE (project_id, name)
    """,
    "transforms": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        name text NOT NULL,
        width integer CHECK (width > 0),
        height integer CHECK (height > 0),
        fit text,
        format text,
        quality integer CHECK (quality BETWEEN 1 AND 100),
        settings jsonb NOT NULL DEFAULT '{}',
        UNIQUE (project_id, name)
    """,
    "project_tenants": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        name text NOT NULL,
        display_name text,
        active boolean NOT NULL DEFAULT true,
        settings jsonb NOT NULL DEFAULT '{}',
        UNIQUE (project_id, name)
    """,
    "updates_metadata": """
        declared_as text UNIQUE,
        version text NOT NULL UNIQUE DEFERRABLE,
        changelog text,
        filename text NOT NULL,
        file_size bigint NOT NULL CHECK (file_size >= 0), -- bytes
        file_reference text NOT NULL, -- the key it is stored under
        checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'), -- SHA-256
        active boolean NOT NULL DEFAULT true,
        metadata jsonb NOT NULL DEFAULT '{}',
        deleted_at timestamptz
    """,
    "organization_secrets": """
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        name text NOT NULL,
        value bytea, -- encrypted
        rotate_every_days integer NOT NULL DEFAULT 90 CHECK (rotate_every_days > 0),
        rotated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (organization_id, name)
    """,
}

# What applications write. tenantplan makes the tables and never touches their rows.
_RUNTIME = {
    "deployments": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        status deployment_status NOT NULL DEFAULT 'PENDING',
        commit_sha text,
        url text,
        log text,
        error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        finished_at timestamptz
    """,
    "uploads": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        user_id uuid REFERENCES users (id) ON DELETE SET NULL,
        status upload_status NOT NULL DEFAULT 'PENDING',
        filename text NOT NULL,
        size bigint, -- bytes
        received bigint NOT NULL DEFAULT 0,
        error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz
    """,
    "files": """
        project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        upload_id uuid REFERENCES uploads (id) ON DELETE SET NULL,
        tenant_id uuid REFERENCES project_tenants (id) ON DELETE SET NULL,
        path text NOT NULL,
        content_type text,
        size bigint NOT NULL, -- bytes
        checksum text,
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz
    """,
    "tenant_metrics": """
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        uptime bigint, -- seconds
        active_users integer,
        exercises_completed_today integer,
        ai_latency double precision, -- milliseconds
        version text,
        additional_data jsonb,
        timestamp timestamptz NOT NULL DEFAULT now()
    """,
    "error_logs": """
        tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
        level log_level NOT NULL,
        source log_source NOT NULL,
        message text NOT NULL,
        stack text,
        endpoint text,
        method text,
        status_code integer,
        user_id text,
        ip_address inet,
        user_agent text,
        metadata jsonb,
        context jsonb,
        timestamp timestamptz NOT NULL DEFAULT now(),
        resolved boolean NOT NULL DEFAULT false,
        resolved_at timestamptz,
        resolved_by text,
        resolution_notes text
    """,
}

_INDEXES = {
    "organizations": ["owner_id"],
    "teams": ["organization_id"],
    "team_members": ["team_id", "user_id"],
    "buckets": ["owner_id", "provider"],
    "bucket_team_access": ["bucket_id", "team_id"],
    "projects": ["organization_id", "team_id", "bucket_id", "template_id"],
    "api_keys": ["project_id", "user_id", "active"],
    "transforms": ["project_id"],
    "project_tenants": ["project_id"],
    "deployments": ["project_id", "status"],
    "uploads": ["project_id", "user_id", "status"],
    "files": ["project_id", "upload_id", "tenant_id"],
    "tenant_metrics": ["tenant_id, timestamp", "timestamp"],
    "error_logs": ["tenant_id, timestamp", "level, timestamp", "source, timestamp"],
}

_TENANTPLAN = (
    # What is stored encrypted, and as what: a ciphertext that was put in its place by somebody else is refused.
    """
    CREATE TABLE tenantplan.credentials (
        relation text NOT NULL,
        row_id uuid NOT NULL,
        column_name text NOT NULL,
        key_id text NOT NULL,
        value_hash text NOT NULL, -- keyed hash of the value
        stored_hash text NOT NULL, -- keyed hash of the ciphertext
        stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (relation, row_id, column_name)
    )""",
    # Tables of kinds that the fleet declares itself: what is there stays known when its declaration is gone.
    """
    CREATE TABLE tenantplan.resource_kinds (
        relation text PRIMARY KEY,
        managed_by text NOT NULL,
        definition json NOT NULL
    )""",
    # Update packages: where each is, and what it must be. Size in bytes.
    """
    CREATE TABLE tenantplan.packages (
        version text PRIMARY KEY,
        holder text NOT NULL, -- the release's address
        store text NOT NULL,
        key text NOT NULL,
        size bigint NOT NULL,
        sha256 text NOT NULL,
        managed_by text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now(),
        retired_at timestamptz
    )""",
    # Packages kept in the main database itself, as large objects.
    """
    CREATE TABLE tenantplan.stored_files (
        key text PRIMARY KEY,
        object oid NOT NULL,
        size bigint NOT NULL,
        sha256 text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now()
    )""",
    # The audit log is searched by what an entry is about: a user, a team, a project.
    """
    CREATE INDEX audit_log_document_idx ON tenantplan.audit_log
        ((split_part(address, '/', 1) || '/' || split_part(address, '/', 2)))""",
)


def upgrade() -> None:
    for name, labels in _ENUMS.items():
        op.execute(f"CREATE TYPE {name} AS ENUM ({', '.join(repr(label) for label in labels)})")
    op.execute(_ORGANIZATIONS)
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
    for name, columns in _RUNTIME.items():
        op.execute(
            f"""
    CREATE TABLE {name} (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        {columns.strip()}
    )"""
        )
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            names = columns.split(", ")
            op.create_index(f"{table}_{'_'.join(names)}_idx", table, names)
    for statement in _TENANTPLAN:
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "SELECT lo_unlink(m.oid) FROM tenantplan.stored_files f JOIN pg_largeobject_metadata m ON m.oid = f.object"
    )
    op.execute("DROP INDEX tenantplan.audit_log_document_idx")
    for name in ("credentials", "resource_kinds", "packages", "stored_files"):
        op.drop_table(name, schema="tenantplan")
    for name in (*reversed(_RUNTIME), *reversed(_TABLES)):
        op.drop_table(name)
    op.drop_constraint("organizations_tier_id_fkey", "organizations")
    op.create_foreign_key(
        "organizations_tier_id_fkey", "organizations", "tiers", ["tier_id"], ["id"], ondelete="RESTRICT"
    )
    for column in ("owner_id", "statement_timeout", "database_connection"):
        op.drop_column("organizations", column)
    for name in _ENUMS:
        op.execute(f"DROP TYPE {name}")
