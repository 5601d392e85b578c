"""views

Revision ID: f2
Revises: f1
"""

from alembic import op

revision = "f2"
down_revision = "f1"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE VIEW recent AS SELECT id, note FROM docs WHERE version IS NOT NULL")
    op.execute(
        "CREATE OR REPLACE VIEW recent WITH (security_barrier) AS SELECT id, note, tenant FROM docs WHERE version > 0"
    )
    op.execute("CREATE MATERIALIZED VIEW counts AS SELECT tenant, count(*) AS n FROM docs GROUP BY tenant")
    op.execute("CREATE UNIQUE INDEX counts_tenant ON counts (tenant)")
    op.execute("INSERT INTO docs (tenant) VALUES ('b')")
    op.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY counts")
    op.execute("CREATE MATERIALIZED VIEW later AS SELECT n FROM counts WITH NO DATA")
    op.execute("CREATE RULE keep AS ON DELETE TO docs WHERE OLD.tenant = 'a' DO INSTEAD NOTHING")


def downgrade():
    op.execute("DROP RULE keep ON docs")
    op.execute("DROP MATERIALIZED VIEW later, counts")
    op.execute("DROP VIEW recent")
    op.execute("DELETE FROM docs WHERE tenant = 'b'")
