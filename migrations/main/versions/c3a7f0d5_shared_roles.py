"""shared mode: which roles may use the tenant tables, and whose rows a session sees

The server decides by session_user, which neither SET ROLE nor a setting changes. A role that is bound to an organization
is that organization, whatever it sets. The setting tenantplan.organization_id counts for members of the pooled role, whose
application names the organization for each transaction, and for the owner of the tables.
"""

from alembic import op

revision = "c3a7f0d5"
down_revision = "d07e4b15"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE tenantplan.shared_roles (
        role_name text PRIMARY KEY,
        access text NOT NULL CHECK (access IN ('write', 'read', 'pool', 'bound')),
        organization_id uuid REFERENCES public.organizations (id) ON DELETE CASCADE,
        CHECK ((access = 'bound') = (organization_id IS NOT NULL))
    )""",
    "CREATE INDEX shared_roles_organization_id_idx ON tenantplan.shared_roles (organization_id)",
    # What it reads is qualified, and a temporary table never comes before the catalog. Everybody may execute it, and
    # learns who he is; by name nobody reaches it without USAGE of the schema.
    """
    CREATE FUNCTION tenantplan.current_organization() RETURNS uuid
        LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    DECLARE
        bound uuid;
    BEGIN
        SELECT s.organization_id INTO bound
          FROM tenantplan.shared_roles s WHERE s.role_name = session_user AND s.access = 'bound';
        IF FOUND THEN
            RETURN bound;
        END IF;
        IF pg_catalog.pg_has_role(session_user, current_user, 'USAGE')
            OR EXISTS (SELECT FROM tenantplan.shared_roles s
                         JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) s.role_name
                        WHERE s.access = 'pool' AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')) THEN
            RETURN NULLIF(pg_catalog.current_setting('tenantplan.organization_id', true), '')::uuid;
        END IF;
        RETURN NULL;
    END
    $$""",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION tenantplan.current_organization() CASCADE")
    op.execute("DROP TABLE tenantplan.shared_roles")
