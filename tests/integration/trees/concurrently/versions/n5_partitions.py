"""partitions

Revision ID: n5
Revises: n4
"""

from alembic import op

revision = "n5"
down_revision = "n4"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE days (day date NOT NULL, n int) PARTITION BY RANGE (day)")
    op.execute("CREATE TABLE days_2024 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')")
    op.execute("CREATE TABLE days_2025 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    op.execute("INSERT INTO days VALUES ('2024-05-05', 1), ('2025-05-05', 2)")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE days DETACH PARTITION days_2024 CONCURRENTLY")
    op.execute("CREATE INDEX days_n ON ONLY days (n)")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY days_2025_n ON days_2025 (n)")
    op.execute("ALTER INDEX days_n ATTACH PARTITION days_2025_n")


def downgrade():
    op.execute("DROP TABLE days, days_2024")
