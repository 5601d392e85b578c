"""shared mode: sessions of an organization that is suspended, deleted or elsewhere are refused, with SQLSTATE TP001

The setting tenantplan.organization_id may still name such an organization, and a bound login may be open by mistake: the
policies of the tenant tables ask tenantplan.current_organization(), which raises. The owner of the tables may look at anybody's
rows. It reads what the statement sees, so that a transaction in progress is refused at its next statement; one that keeps its
snapshot (REPEATABLE READ) is not, which is why apply waits for transactions that began before.
"""

from alembic import op

revision = "f4b9d2c6"
down_revision = "c3a7f0d5"
branch_labels = None
depends_on = None

_CREATE = """
    CREATE OR REPLACE FUNCTION tenantplan.current_organization() RETURNS uuid
        LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    DECLARE
        {declared}
    BEGIN
        {body}
    END
    $$"""
_BOUND = """
        SELECT s.organization_id INTO named
          FROM tenantplan.shared_roles s WHERE s.role_name = session_user AND s.access = 'bound';"""
_OWNER = "pg_catalog.pg_has_role(session_user, current_user, 'USAGE')"
_POOLED = """EXISTS (SELECT FROM tenantplan.shared_roles s
                         JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) s.role_name
                        WHERE s.access = 'pool' AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER'))"""
_SETTING = "NULLIF(pg_catalog.current_setting('tenantplan.organization_id', true), '')::uuid"
_REFUSES = (
    "named uuid;\n        closed text;",
    f"""{_BOUND}
        IF NOT FOUND THEN
            IF {_OWNER} THEN
                RETURN {_SETTING};
            END IF;
            IF {_POOLED} THEN
                named := {_SETTING};
            END IF;
        END IF;
        IF named IS NULL THEN
            RETURN NULL;
        END IF;
        SELECT CASE WHEN o.deleted_at IS NOT NULL THEN 'deleted' WHEN o.state <> 'active' THEN o.state::text
                    WHEN o.database_mode <> 'shared' AND NOT EXISTS (SELECT FROM public.tenants t WHERE t.organization_id = o.id
                             AND t.database_mode = 'shared' AND t.deleted_at IS NULL) THEN 'not in shared mode' END INTO closed
          FROM public.organizations o WHERE o.id = named;
        IF closed IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'TP001',
                MESSAGE = pg_catalog.format('organization %s is %s', named, closed),
                HINT = 'The document of the organization says whether it is active, and where its rows are.';
        END IF;
        RETURN named;""",
)
# As revision c3a7f0d5 made it, to the letter.
_BEFORE = """
    CREATE OR REPLACE FUNCTION tenantplan.current_organization() RETURNS uuid
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
    $$"""


def upgrade() -> None:
    op.execute(_CREATE.format(declared=_REFUSES[0], body=_REFUSES[1]))


def downgrade() -> None:
    op.execute(_BEFORE)
