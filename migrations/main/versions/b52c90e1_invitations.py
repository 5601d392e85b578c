"""invitations: people who are asked to join an organization"""

from alembic import op

revision = "b52c90e1"
down_revision = "8e21b6f3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TYPE invitation_status AS ENUM ('PENDING', 'ACCEPTED', 'DECLINED', 'EXPIRED', 'REVOKED')")
    op.execute(
        """
    CREATE TABLE invitations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        declared_as text UNIQUE,
        organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
        team_id uuid REFERENCES teams (id) ON DELETE CASCADE,
        invited_by_id uuid REFERENCES users (id) ON DELETE SET NULL,
        email text NOT NULL,
        role user_role NOT NULL,
        status invitation_status NOT NULL DEFAULT 'PENDING',
        expires_at timestamptz,
        accepted_at timestamptz,
        managed_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (organization_id, email) DEFERRABLE
    )"""
    )
    for column in ("managed_by", "organization_id", "team_id", "invited_by_id", "email"):
        op.create_index(f"invitations_{column}_idx", "invitations", [column])


def downgrade() -> None:
    op.drop_table("invitations")
    op.execute("DROP TYPE invitation_status")
