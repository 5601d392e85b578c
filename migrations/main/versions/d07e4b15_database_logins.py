"""database logins: the passwords that tenantplan generates for login roles, for the application to read with the key

Found by holder: SELECT … FROM database_logins WHERE holder = 'organization/NAME' AND state = 'current'.
"""

from alembic import op

revision = "d07e4b15"
down_revision = "e6f1a2c8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
    CREATE TABLE database_logins (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        holder text NOT NULL, -- organization/NAME or tenant/NAME
        server text NOT NULL,
        database_name text NOT NULL,
        role_name text NOT NULL,
        host text,
        port integer,
        state text NOT NULL CHECK (state IN ('pending', 'current', 'previous')),
        target text NOT NULL, -- main: the password is here; else it was delivered there
        password bytea, -- encrypted
        verifier_hash text, -- keyed hash of what the server was given
        sessions_left boolean NOT NULL DEFAULT false, -- sessions from before set_at may still live
        set_at timestamptz NOT NULL DEFAULT now(),
        superseded_at timestamptz,
        managed_by text NOT NULL,
        UNIQUE (server, role_name, state)
    )"""
    )
    op.create_index("database_logins_holder_idx", "database_logins", ["holder"])


def downgrade() -> None:
    op.execute("DELETE FROM tenantplan.credentials WHERE relation = 'database_logins'")
    op.drop_table("database_logins")
