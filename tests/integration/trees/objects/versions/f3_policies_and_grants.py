"""policies and grants

Revision ID: f3
Revises: f2
"""

import sqlalchemy as sa
from alembic import op

revision = "f3"
down_revision = "f2"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE docs FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY docs_of_tenant ON docs USING (tenant = current_setting('app.tenant', true)) WITH CHECK (true)"
    )
    op.execute("SELECT set_config('app.tenant', 'b', true)")
    op.execute("UPDATE docs SET note = 'seen by b'")
    op.execute("GRANT SELECT, UPDATE (note) ON docs TO PUBLIC")
    op.execute("REVOKE EXECUTE ON FUNCTION touch() FROM PUBLIC")
    op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC")
    op.create_table("granted", sa.Column("id", sa.Integer()))


def downgrade():
    op.drop_table("granted")
    op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION touch() TO PUBLIC")
    op.execute("REVOKE ALL ON docs FROM PUBLIC")
    op.execute("REVOKE UPDATE (note) ON docs FROM PUBLIC")
    op.execute("DROP POLICY docs_of_tenant ON docs")
    op.execute("ALTER TABLE docs NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE docs DISABLE ROW LEVEL SECURITY")
    op.execute("UPDATE docs SET note = NULL WHERE tenant = 'b'")
