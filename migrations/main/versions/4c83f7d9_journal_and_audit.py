"""schema tenantplan: lease, runs, journal of operations, audit log, applied plans and revisions"""

from alembic import op

revision = "4c83f7d9"
down_revision = "1a6e0d52"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE SCHEMA tenantplan",
    "REVOKE ALL ON SCHEMA tenantplan FROM PUBLIC",
    # Who may write: every control transaction checks that the epoch is still its own.
    """
    CREATE TABLE tenantplan.lease (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        epoch bigint NOT NULL DEFAULT 0,
        run_id uuid,
        actor text,
        host text,
        pid integer,
        acquired_at timestamptz
    )""",
    "INSERT INTO tenantplan.lease DEFAULT VALUES",
    """
    CREATE TABLE tenantplan.runs (
        id uuid PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        status text NOT NULL DEFAULT 'running'
            CHECK (status IN ('running', 'done', 'partial', 'failed', 'abandoned')),
        actor text,
        commit text,
        plan_digest text,
        plan_seal text,
        tool_version text,
        epoch bigint
    )""",
    # The journal. before and after are json, not jsonb: they are kept byte for byte.
    """
    CREATE TABLE tenantplan.operations (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id uuid NOT NULL REFERENCES tenantplan.runs (id),
        op_id text NOT NULL,
        address text NOT NULL,
        action text NOT NULL,
        retire boolean NOT NULL DEFAULT false,
        renamed_from text,
        status text NOT NULL DEFAULT 'pending' CHECK (status IN
            ('pending', 'running', 'done', 'failed', 'stale', 'skipped', 'recovered', 'abandoned')),
        before json,
        after json,
        error text,
        started_at timestamptz,
        finished_at timestamptz,
        UNIQUE (run_id, op_id)
    )""",
    """
    CREATE INDEX operations_last_done_idx ON tenantplan.operations (address, seq DESC)
        WHERE status IN ('done', 'recovered')""",
    """
    CREATE INDEX operations_unfinished_idx ON tenantplan.operations (run_id)
        WHERE status IN ('pending', 'running')""",
    # json again: the text is part of the hash.
    """
    CREATE TABLE tenantplan.audit_log (
        sequence bigint PRIMARY KEY,
        at timestamptz NOT NULL,
        run_id uuid,
        actor text,
        commit text,
        plan_digest text,
        address text NOT NULL,
        action text NOT NULL,
        organization text,
        before json,
        after json,
        result text NOT NULL,
        detail text,
        previous_hash text NOT NULL,
        hash text NOT NULL
    )""",
    *(
        f"CREATE INDEX audit_log_{column}_idx ON tenantplan.audit_log ({column})"
        for column in ("at", "actor", "address", "organization", "action", "run_id")
    ),
    """
    CREATE TABLE tenantplan.audit_head (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        sequence bigint NOT NULL,
        hash text NOT NULL
    )""",
    "INSERT INTO tenantplan.audit_head (sequence, hash) VALUES (0, repeat('0', 64))",
    """
    CREATE FUNCTION tenantplan.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END
    $$""",
    """
    CREATE TRIGGER audit_log_rows_are_final BEFORE UPDATE OR DELETE ON tenantplan.audit_log
        FOR EACH ROW EXECUTE FUNCTION tenantplan.refuse_audit_change()""",
    """
    CREATE TRIGGER audit_log_is_never_emptied BEFORE TRUNCATE ON tenantplan.audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION tenantplan.refuse_audit_change()""",
    # ALWAYS: session_replication_role = replica switches ordinary triggers off.
    "ALTER TABLE tenantplan.audit_log ENABLE ALWAYS TRIGGER audit_log_rows_are_final",
    "ALTER TABLE tenantplan.audit_log ENABLE ALWAYS TRIGGER audit_log_is_never_emptied",
    "REVOKE UPDATE, DELETE, TRUNCATE ON tenantplan.audit_log FROM CURRENT_USER",
    """
    CREATE TABLE tenantplan.applied_plans (
        seal text PRIMARY KEY,
        digest text NOT NULL,
        run_id uuid,
        applied_at timestamptz NOT NULL DEFAULT now()
    )""",
    # The digest of each revision's file when it was applied: an edited one is refused.
    """
    CREATE TABLE tenantplan.revisions (
        tree text NOT NULL,
        revision text NOT NULL,
        digest text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tree, revision)
    )""",
    # The key of the keyed hashes that tell whether a secret changed.
    "CREATE TABLE tenantplan.keys (name text PRIMARY KEY, value text NOT NULL)",
    "INSERT INTO tenantplan.keys VALUES ('hash', gen_random_uuid()::text || gen_random_uuid()::text)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA tenantplan CASCADE")
