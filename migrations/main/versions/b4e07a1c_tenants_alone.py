"""tenants without an organization: a customer that has a licence, and a database of its own or none (database_mode NULL)"""

from alembic import op

revision = "b4e07a1c"
down_revision = "a91d3f67"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE tenants ALTER COLUMN organization_id DROP NOT NULL, ALTER COLUMN database_mode DROP NOT NULL"
    )
    op.execute(
        "ALTER TABLE tenants ADD CONSTRAINT tenants_alone CHECK (organization_id IS NOT NULL"
        " OR database_mode IS NULL OR database_mode = 'dedicated')"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE tenants DROP CONSTRAINT tenants_alone")
    op.execute("ALTER TABLE tenants ALTER COLUMN organization_id SET NOT NULL, ALTER COLUMN database_mode SET NOT NULL")
