"""generated keys: where secrets of organizations and licence keys that tenantplan makes up are delivered; NULL: not generated"""

from alembic import op

revision = "a91d3f67"
down_revision = "a91d3e57"
branch_labels = None
depends_on = None

_COLUMNS = {"organization_secrets": "value", "licenses": "key", "tenants": "license_key"}


def upgrade() -> None:
    for table, column in _COLUMNS.items():
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}_delivered_to text")


def downgrade() -> None:
    for table, column in _COLUMNS.items():
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}_delivered_to")
