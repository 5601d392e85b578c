"""activity log: events of applications, beside the log of tenantplan; ids of stored files; addresses as they were sent; pins

The ids in activity_log are no foreign keys: what happened stays known, and stays findable by id, when whom it was about is
gone, and removing an organization does not rewrite its log.
"""

from alembic import op

revision = "a91d3e57"
down_revision = "f4b9d2c6"
branch_labels = None
depends_on = None

_ACTIVITY_LOG = """
    CREATE TABLE activity_log (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id uuid, -- of users or admin_users; NULL: the application itself
        organization_id uuid,
        team_id uuid,
        project_id uuid,
        action text NOT NULL,
        subject text, -- what it was done to, such as project/site or file/logo.png
        metadata jsonb NOT NULL DEFAULT '{}',
        ip_address text,
        at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(at))
    )
"""
# Of what was stored before: a large object by its number, a GridFS file by the id that follows from its key.
_FILE_IDS = (
    """
    UPDATE tenantplan.packages p SET file_id = f.object::text
      FROM tenantplan.stored_files f WHERE f.key = p.key AND p.store = 'main:'""",
    """
    UPDATE tenantplan.packages SET file_id = encode(substr(sha256(convert_to(key, 'UTF8')), 1, 12), 'hex')
     WHERE store ~ '^mongodb([+]srv)?:'""",
    """
    UPDATE updates_metadata r SET file_id = p.file_id
      FROM tenantplan.packages p WHERE p.version = r.version AND p.managed_by = r.managed_by""",
)
_SEARCHED = ("user_id", "organization_id", "team_id", "project_id", "action", "ip_address", "at")
# What proxies send is more than an address: a list, a zone, a port.
_SENT = ("error_logs", "sessions")
_AS_INET = """
    CREATE FUNCTION pg_temp.as_inet(sent text) RETURNS inet LANGUAGE plpgsql AS $$
    BEGIN
        RETURN sent::inet;
    EXCEPTION WHEN invalid_text_representation THEN
        RETURN NULL;
    END
    $$
"""


def upgrade() -> None:
    op.execute(_ACTIVITY_LOG)
    for column in _SEARCHED:
        op.create_index(f"activity_log_{column}_idx", "activity_log", [column])
    op.execute(
        "CREATE INDEX activity_log_subject_idx ON activity_log (subject text_pattern_ops)"
    )  # for what is nested in it, too
    op.execute("CREATE INDEX activity_log_metadata_idx ON activity_log USING gin (metadata jsonb_path_ops)")
    for table in _SENT:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN ip_address TYPE text USING abbrev(ip_address)")
    op.execute("ALTER TABLE updates_metadata ADD COLUMN file_id text")
    op.execute("ALTER TABLE tenantplan.packages ADD COLUMN file_id text")
    for statement in _FILE_IDS:
        op.execute(statement)
    op.execute("ALTER TABLE organizations ADD COLUMN database_revision text")
    op.execute("CREATE INDEX organization_members_organization_id_idx ON organization_members (organization_id)")


def downgrade() -> None:
    op.execute("DROP INDEX organization_members_organization_id_idx")
    op.execute("ALTER TABLE organizations DROP COLUMN database_revision")
    op.execute("ALTER TABLE tenantplan.packages DROP COLUMN file_id")
    op.execute("ALTER TABLE updates_metadata DROP COLUMN file_id")
    op.execute(_AS_INET)
    for table in _SENT:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN ip_address TYPE inet USING pg_temp.as_inet(ip_address)")
    op.execute("DROP FUNCTION pg_temp.as_inet(text)")
    op.drop_table("activity_log")
